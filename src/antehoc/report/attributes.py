"""Nothing: `antehoc.evaluation.attributes` and `antehoc.evaluation.expected` make these sections as blocks."""
