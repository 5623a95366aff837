package main

import (
	"strings"

	"rsc.io/qr"
)

// quiet is how many light modules surround the code; fewer than the standard's four are enough for phones, and fit more terminals.
const quiet = 2

// drawQR draws a QR code with half blocks, two modules to a character, or "" when the text is too long for one. With colours it is dark
// on light whatever the terminal looks like; without, it is right on a dark terminal.
func drawQR(text string, colours bool) string {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return ""
	}
	// Black is false outside of the code.
	drawn := func(x, y int) bool { return code.Black(x, y) == colours }
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		b.WriteString("  ")
		if colours {
			b.WriteString("\x1b[30;107m")
		}
		for x := -quiet; x < code.Size+quiet; x++ {
			upper, lower := drawn(x, y), drawn(x, y+1)
			switch {
			case upper && lower:
				b.WriteRune('█')
			case upper:
				b.WriteRune('▀')
			case lower:
				b.WriteRune('▄')
			default:
				b.WriteByte(' ')
			}
		}
		if colours {
			b.WriteString("\x1b[0m")
		}
		b.WriteByte('\n')
	}
	return b.String()
}
