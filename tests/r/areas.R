# Each reader's area under the empirical ROC curve with DeLong's variance and interval, by pROC.
# Usage: Rscript areas.R readings.csv numbers.txt (see crossed.R; here with a column score, higher = more like a fake)
if (!requireNamespace("pROC", quietly = TRUE)) {
  message("no R package pROC")
  quit(status = 77)
}
arguments <- commandArgs(trailingOnly = TRUE)
readings <- read.csv(arguments[1], stringsAsFactors = FALSE)
lines <- character()
for (reader in sort(unique(readings$reader))) {
  own <- readings[readings$reader == reader, ]
  curve <- pROC::roc(own$fake, own$score, levels = c(0, 1), direction = "<", quiet = TRUE)
  limits <- pROC::ci.auc(curve, method = "delong")
  lines <- c(lines, sprintf("%s.area %.15g", reader, as.numeric(pROC::auc(curve))),
             sprintf("%s.var %.15g", reader, pROC::var(curve, method = "delong")),
             sprintf("%s.low %.15g", reader, limits[1]), sprintf("%s.high %.15g", reader, limits[3]))
}
writeLines(lines, arguments[2])
