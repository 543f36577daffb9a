# Crossed models of a label table, by lme4 (logit), glmmTMB (probit) and ordinal (cumulative probit, with and without
# random effects). Usage: Rscript crossed.R readings.csv numbers.txt
# readings.csv: reader, case, fake (0, 1), label (real, unsure, fake). numbers.txt: a name and a number a line.
for (package in c("lme4", "glmmTMB", "ordinal")) {
  if (!requireNamespace(package, quietly = TRUE)) {
    message("no R package ", package)
    quit(status = 77)
  }
}
arguments <- commandArgs(trailingOnly = TRUE)
readings <- read.csv(arguments[1], stringsAsFactors = FALSE)
readings$reader <- factor(readings$reader)
readings$case <- factor(readings$case)
readings$truth <- readings$fake - 0.5
lines <- character()
say <- function(name, value) lines <<- c(lines, sprintf("%s %.15g", name, value))

decided <- readings[readings$label != "unsure", ]
decided$said <- as.integer(decided$label == "fake")
probit <- glmmTMB::glmmTMB(said ~ truth + (1 | reader) + (1 | case), decided, family = binomial("probit"))
effects <- glmmTMB::fixef(probit)$cond
errors <- sqrt(diag(vcov(probit)$cond))
spread <- glmmTMB::VarCorr(probit)$cond
say("probit.dprime", effects[["truth"]])
say("probit.dprime_se", errors[[2]])
say("probit.criterion", -effects[["(Intercept)"]])
say("probit.criterion_se", errors[[1]])
say("probit.reader_sd", attr(spread$reader, "stddev"))
say("probit.case_sd", attr(spread$case, "stddev"))
say("probit.loglik", as.numeric(logLik(probit)))

readings$right <- as.integer(readings$label == ifelse(readings$fake == 1, "fake", "real"))
# lme4's own tolerance of the modes, 1e-7, leaves errors in the third digit.
logit <- lme4::glmer(right ~ truth + (1 | reader) + (1 | case), readings, family = binomial("logit"),
                     control = lme4::glmerControl(optimizer = "bobyqa", tolPwrss = 1e-13))
say("logit.intercept", lme4::fixef(logit)[[1]])
say("logit.truth", lme4::fixef(logit)[[2]])
say("logit.intercept_se", sqrt(vcov(logit)[1, 1]))
say("logit.truth_se", sqrt(vcov(logit)[2, 2]))
say("logit.reader_sd", attr(lme4::VarCorr(logit)$reader, "stddev"))
say("logit.case_sd", attr(lme4::VarCorr(logit)$case, "stddev"))
say("logit.loglik", as.numeric(logLik(logit)))

readings$label <- factor(readings$label, levels = c("real", "unsure", "fake"), ordered = TRUE)
ordered <- ordinal::clmm(label ~ truth + (1 | reader) + (1 | case), readings, link = "probit")
thresholds <- ordered$alpha
say("ordered.dprime", ordered$beta[["truth"]])
say("ordered.dprime_se", sqrt(vcov(ordered)["truth", "truth"]))
say("ordered.criterion", mean(thresholds))
say("ordered.width", diff(thresholds) / 2)
say("ordered.reader_sd", attr(ordinal::VarCorr(ordered)$reader, "stddev"))
say("ordered.case_sd", attr(ordinal::VarCorr(ordered)$case, "stddev"))
say("ordered.loglik", as.numeric(logLik(ordered)))

plain <- ordinal::clm(label ~ truth, data = readings, link = "probit")
say("plain.dprime", plain$beta[["truth"]])
say("plain.dprime_se", sqrt(vcov(plain)["truth", "truth"]))
say("plain.criterion", mean(plain$alpha))
say("plain.loglik", as.numeric(logLik(plain)))
writeLines(lines, arguments[2])
