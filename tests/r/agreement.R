# Cohen's kappa of every pair of readers, by psych: unweighted with its variance, and weighted quadratically.
# Usage: Rscript agreement.R readings.csv numbers.txt (see crossed.R for both files)
if (!requireNamespace("psych", quietly = TRUE)) {
  message("no R package psych")
  quit(status = 77)
}
arguments <- commandArgs(trailingOnly = TRUE)
readings <- read.csv(arguments[1], stringsAsFactors = FALSE)
levels <- c("real", "unsure", "fake")
lines <- character()
readers <- sort(unique(readings$reader))
for (i in seq_along(readers)) {
  for (j in seq_along(readers)) {
    if (i < j) {
      both <- merge(readings[readings$reader == readers[i], ], readings[readings$reader == readers[j], ], by = "case")
      counts <- table(factor(both$label.x, levels), factor(both$label.y, levels))
      found <- suppressWarnings(psych::cohen.kappa(unclass(counts), n.obs = nrow(both)))
      pair <- paste(readers[i], readers[j], sep = "-")
      lines <- c(lines, sprintf("%s.kappa %.15g", pair, found$kappa), sprintf("%s.var %.15g", pair, found$var.kappa),
                 sprintf("%s.quadratic %.15g", pair, found$weighted.kappa))
    }
  }
}
writeLines(lines, arguments[2])
