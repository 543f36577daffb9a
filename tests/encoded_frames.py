"""Frames of 16 x 16 pixels, encoded once by other libraries than those that decode them here.

Written with imagecodecs 2026.3.6: liblj92 (JPEG lossless SV1), CharLS (JPEG-LS), OpenJPH (HTJ2K), libjpeg-turbo 3 (JPEG
baseline, quality 95, and extended 12 bit, quality 100).
"""

from __future__ import annotations

import base64

import numpy as np

ROWS, COLS = np.mgrid[:16, :16]


def levels(bits):
    """The picture that was encoded: a ramp that wraps, with both ends of the range in it."""
    across, down = {8: (11, 5), 12: (170, 90), 16: (2700, 1500)}[bits]
    array = ((COLS * across + ROWS * down) % 2**bits).astype(np.uint8 if bits == 8 else np.uint16)
    if bits > 8:
        array[0, 0], array[0, 1] = 2**bits - 1, 0
    return array


FRAMES = {
    "sv1_12": (
        "/9j/xAAZAAEBAQEBAQAAAAAAAAAAAAAGBwgMCQv/wwALDAAQABABABEA/9oACAEAAAYAAPv/APAAeqmqtVaq1VqrVWqtVaq1VqrVWquBa6Nc"
        "utWrVq1atWrVq1atrS1atWrVq1atWrVq1atrS1atWrVq1atWrVq1atrS1atWrVq1atWrVq1atrS1atWrVq1atWrVq1atrS1atWrVq1atWrVq"
        "1atrS1atWrVq1atWrVq1atrS1atWrVq1atWrVq1atrS1atWrVq1atWrVq1atrS1atWrVq1atWrVq1atrS1atWrVq1atWrVq1atrS1atWrVq1"
        "atWrVq1atrS1atWrVq1atWrVq1atrS1atWrVq1atWrVq1atrS1atWrVq1atWrVq1atD/2Q=="
    ),
    "sv1_16": (
        "/9j/xAAZAAEBAQEBAQAAAAAAAAAAAAAKCwwPAQ3/wwALEAAQABABABEA/9oACAEAAAYAAO//AP79UY1RmqM1RmqM1RmqM1RmqM1RmqM1RmqM"
        "1Rld3hryaddy7l3LuXcu5dy7l3LuXcu5d1dxdy7l3LuXcu5dy7l3LuXcu5dy7l3V3F3LuXcu5dy7l3LuXcu5dy7l3LuXdXcXcu5dy7l3LuXc"
        "u5dy7l3LuXcu5d1dxdy7l3LuXcu5dy7l3LuXcu5dy7l3V3F3LuXcu5dy7l3LuXcu5dy7l3LuXdXcXcu5dy7l3LuXcu5dy7l3LuXcu5d1dxdy"
        "7l3LuXcu5dy7l3LuXcu5dy7l3V3F3LuXcu5dy7l3LuXcu5dy7l3LuXdXcXcu5dy7l3LuXcu5dy7l3LuXcu5d1dxdy7l3LuXcu5dy7l3LuXcu"
        "5dy7l3V3F3LuXcu5dy7l3LuXcu5dy7l3LuXdXcXcu5dy7l3LuXcu5dy7l3LuXcu5d1dxdy7l3LuXcu5dy7l3LuXcu5dy7l3V3F3LuXcu5dy7"
        "l3LuXcu5dy7l3LuXcP/Z"
    ),
    "jls_12": (
        "/9j/6AAgU1BJRkYAAgAAAQAAABAAAAAQChAGAQAAASwAAAEs/+gACAAAAAH/2P/3AAsQABAAEAEBEQD/+AANAf//ABIAQwEUAED/2gAIAQEA"
        "AAAAAP9QH/kqeKrKnKjKfU2pdSaj1FqHUGn+egOlSBpaS0llWFXVZqtRptJotBnpaS0zmazGWymSyGORiKRCGQiClkgP78+vj29PLw7uzq6O"
        "bkrDi4N7c2tjW1NLQzs7MysirsjGxsTCwsDAvry8uri2tKstLLlw3btmzVq1aNGbNqs2TJkxYsWDBgwXr1y5qLlq1asWLFatWrVKlSppqlKl"
        "SpZZYYYYYYXXaS666yyyyyyyqqqqrRVVVVUUUUUUUUUUUaCia1rWta1rWtSmepSlKUpSlKUpSmcpSlJSlKUqqqrNVVVVVVVVVVZg/9k="
    ),
    "jls_16": (
        "/9j/6AAgU1BJRkYAAgAAAQAAABAAAAAQChAGAQAAASwAAAEs/+gACAAAAAH/2P/3AAsQABAAEAEBEQD/+AANAf//ABIAQwEUAED/2gAIAQEA"
        "AAAAQAgCADF4KLmipomaImh6oaqFqhKoOqCqgaoCp/nuQjQPcLtl2i7JdguuXWLql1C6ZdIuiXQHuN3C55c4uaXMLllyi5JcguOXGLilxC4Z"
        "cIu2XBLgFvy3xb0t4W7LdFuS3BbctsW1LaFsy7RbItiWwLXlri1pawtWWqLUlqC05aYtKWkLsloy0RaEtAWfLPFnSzhZss0WZLMFlyyxZUuw"
        "WULJlkiyJZAseWOLGljCxZYosSWILDlhi65YUsIWDLBFgSwBX8r8V9K+FeyvRXkrwV3LrFdiupXQrmVyK4lcCt5W4raVsK1laitJWguqVnKz"
        "FZSshWMrEVhKwFXyrxV0q6VdKulXS6hV0q6VdKulXSrpV0q6VdKulXSrpV0q6VdLplXSrpV0q6VdKulXSrpV0q6VdKulXSrpV0ukVdKulXSr"
        "pV0q6VdKulXSrpV0q6VdKulXS6JV0q6VdKulXSrpV0q6VdKulXSrpV0q6VdLoFXSrpV0q6VdKulXSrpV0q6VdKulXSrpV0ueVdKulXSrpV0q"
        "6VdKulXSrpV0q6VdKulXS5z/2Q=="
    ),
    "htj2k_16": (
        "/0//UQApQAAAAAAQAAAAEAAAAAAAAAAAAAAAEAAAABAAAAAAAAAAAAABDwEB/1AACAACAAAACv9SAAwAAgABAAUEBEAB/1wAEyCIkJCQkJCQ"
        "kJCQkJCQiIiI/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAANcAAf+TwAAmQ+QEh3QAAMAAE0AAE0AAEwAOqwUHdAC01QSHdADA"
        "0ASHdADAABVwAAVcAAEwWzpgxAPygAJCtAAF2a4GjOzqAgG0AATGBId0AMAAFpQAAWlAABOA/z8AkO6le3SP7v0FOMcCU3cAt7r/R0tzKZdy"
        "6QOcD2WkAXgAAIBgFAd1AMAALagABbkAAJzRT1GRRVmURVmURVmURVnUX6np6ccF1AN6ALc6UZHt2s52trOd7Wxnu35AxgPfsxgPZagBfQCK"
        "in+UB3UA/9k="
    ),
    "htj2k_12": (
        "/0//UQApQAAAAAAQAAAAEAAAAAAAAAAAAAAAEAAAABAAAAAAAAAAAAABDwEB/1AACAACAAAACv9SAAwAAgABAAUEBEAB/1wAEyCIkJCQkJCQ"
        "kJCQkJCQiIiI/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAAMEAAf+TwAAmV/YFB3QAAMAAE0AAE0AAEwDE+gMHdAAU/QKHdAAO"
        "/QKHdADAABUwAAVMAAEwpVvkoIMBQrQAj2m2iOYBAbQAXvwCh3QAwAAV8AAFfAABMP97j19+/Pj9BThDAlN3AKn7R5mSkvIBjA9llAF4AP5g"
        "Cgd1AMAALVgABa8AAJz9RJGUlJSUlJSU1F+p6enDBcwDegCnQ5GsTCaTyWSyfkBCA9+xCA9lmAF9AKj4f4wHdQD/2Q=="
    ),
    "jpeg8_8": (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAIBAQEBAQIBAQECAgICAgQDAgICAgUEBAMEBgUGBgYFBgYGBwkIBgcJBwYGCAsICQoKCgoKBggL"
        "DAsKDAkKCgr/wAALCAAQABABAREA/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQR"
        "BRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4"
        "eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/9oACAEB"
        "AAA/APzf/Y2+En/Hp/ov93tX6wfsbfCT/j0/0X+72r4//Y2+En/Hp/ov93tX6wfsbfCT/j0/0X+72r//2Q=="
    ),
    "jpeg8_12": (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"
        "AQEBAQEBAQH/wQALDAAQABABAREA/8QAFQABAQAAAAAAAAAAAAAAAAAADg3/xAAhEAACAQEJAQAAAAAAAAAAAAAJCggHAAsMKDlGV2R1Bv/a"
        "AAgBAQAAPwA8tYaSQ/aBe2aRI48g7+ZU9bkzrbpbCpT25HGnBWrSnEKYaaRbLa5ZXJjIY07GjObMDApc69S9LId5hU/hjptzOLMbA0ZSZayo"
        "JCVMmMupPTwnVJOu8pa+VWqp9YolcHy3Mvpd5U+HtmeN0rS//B8tzL6XeVPh7ZnjdKyqAwfLcy+l3lT4e2Z43St//9k="
    ),
}


def frame(name):
    """The code stream by its name: codec_bits."""
    return base64.b64decode(FRAMES[name])
