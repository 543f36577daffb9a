"""Time and order: response time, learning, fatigue, focus."""

from __future__ import annotations

from lungeval.statistics.estimands.kinds import EXCLUDED, OWN, SHOWN, Estimand

CLOCK = "Wilcox 2012 (times drawn in at 3 MAD: Leys et al. 2013)"
SPLIT = "lungeval (difference of two shares of one reader)"
SLOPE = "White 1980; Liang & Zeger 1986 (least squares with clusters)"
_TIMES = "readings with a response time"
_PLACED = "readings whose place in the reader's order is known"
_FOCUS = "readings for which the page counted losses of focus"

LIST: tuple[Estimand, ...] = (
    Estimand(
        "response_time", "Response time",
        "The geometric mean of a reader's response times in seconds, over all cases read, outliers drawn in at 3 "
        "median absolute deviations of the reader; the mean over readers is the geometric mean of theirs.",
        "exp(mean of log seconds)", _TIMES, SHOWN, CLOCK, crossed=True,
        reading="How long a typical answer took: half of the answers were quicker, about half slower.",
        example="Times of 2, 4 and 8 seconds: the mean of their logarithms is that of 4, so 4.0 seconds.",
        caution="A time runs from the picture to the answer, pauses included; a reader with under 5 times is left out.",
    ),
    Estimand(
        "response_time_ratio_wrong", "Response time, wrong to right",
        "A reader's geometric mean time of wrong answers over that of right answers, unsure left out; the mean over "
        "readers is the geometric mean of theirs.",
        "exp(mean log seconds of wrong answers - mean log seconds of right answers)", _TIMES, EXCLUDED, CLOCK,
        crossed=True,
        reading="Above 1: wrong answers took longer, the sign of doubt; below 1: errors are quick ones.",
        example="Wrong answers take 6 seconds and right ones 4 (geometric means): a ratio of 1.50.",
        caution="Hard cases are both slow and wrong, so this says nothing of haste by itself; a reader needs 5 answers "
        "of each kind.",
    ),
    Estimand(
        "response_time_ratio_fake", "Response time, fakes to reals",
        "A reader's geometric mean time on fakes over that on reals; the mean over readers is the geometric mean of "
        "theirs.",
        "exp(mean log seconds of fakes - mean log seconds of reals)", _TIMES, SHOWN, CLOCK, crossed=True,
        reading="Above 1: fakes held the readers longer than reals, even where their answers do not tell them apart.",
        example="5.5 seconds on fakes and 5.0 on reals (geometric means): a ratio of 1.10.",
        caution="Fakes and reals of different conditions may differ in time for that reason alone.",
    ),
    Estimand(
        "half_difference", "Accuracy, second half less first half",
        "A reader's accuracy (unsure counts half) over the second half of the reader's order less that over the first; "
        "readers have equal weights.",
        "accuracy of the later half - accuracy of the earlier half", _PLACED, ("half",), SPLIT, crossed=True,
        form="percent", signed=True,
        reading="Above 0: readers learned as they went; below 0: they tired.",
        example="12 of 20 right in the first half (60%) and 15 of 20 in the second (75%): +15 points.",
        caution="Orders must be shuffled, or the halves hold different cases; with an odd number the middle reading is "
        "left out.",
    ),
    Estimand(
        "accuracy_trend", "Trend of accuracy",
        "The slope of a reader's score (1 right, 0.5 unsure, 0 wrong) on the place of the reading, per 100 readings; "
        "readers have equal weights.",
        "100 times the sum of (place - mean place) times score, over the sum of (place - mean place)²", _PLACED,
        ("half",), SLOPE, crossed=True, form="percent", signed=True,
        reading="Points of accuracy gained (above 0) or lost over 100 readings, if the change were steady.",
        example="Accuracy rises steadily, 60% over readings 1 to 50 and 66% over readings 51 to 100: 6 points in 50 "
        "readings, +12 points per 100.",
        caution="A straight line through what may be a step; over fewer than 100 readings it runs beyond the data.",
    ),
    Estimand(
        "response_time_trend", "Trend of response time",
        "The factor by which a reader's response time changes over 100 readings, from the slope of log time on the "
        "place of the reading; the mean over readers is the geometric mean of theirs.",
        "exp(100 times the slope of log seconds on place)", _PLACED, SHOWN, SLOPE, crossed=True,
        reading="Below 1: readers became quicker; 0.80 means a fifth quicker after 100 readings.",
        example="A slope of -0.0022 of log seconds a reading: exp(-0.22) = 0.80.",
        caution="Over fewer than 100 readings it runs beyond the data.",
    ),
    Estimand(
        "focus_loss_rate", "Focus lost",
        "The share of readings during which the page lost the focus at least once; readers have equal weights.",
        "readings with a loss / readings for which losses were counted", _FOCUS, SHOWN, OWN, crossed=True,
        form="percent",
        reading="How often readers turned to another window, or were called away, with a picture before them.",
        example="The focus was lost in 6 of 120 readings: 5%.",
        caution="A loss may be a notice of the operating system; looking at a second screen is not seen.",
    ),
    Estimand(
        "focus_difference", "Accuracy with focus lost less kept",
        "A reader's accuracy (unsure counts half) over readings with a loss of focus less that over the others; "
        "readers have equal weights.",
        "accuracy with a loss - accuracy without", _FOCUS, ("half",), SPLIT, crossed=True, form="percent", signed=True,
        reading="Above 0: readers did better after turning away, which may mean that they looked something up.",
        example="8 of 10 right with a loss (80%) and 66 of 110 without (60%): +20 points.",
        caution="A reader needs 5 readings of each kind; hard cases invite interruption.",
    ),
)  # fmt: skip
"""In the order of the report."""
