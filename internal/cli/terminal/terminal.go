// Package terminal makes text fit for a terminal: without what would control
// it, and measured in the cells that it takes there, of which a Chinese letter
// has two and an accent none.
package terminal

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

const (
	esc = '\x1b'
	tab = 8
)

// Width is how many cells s takes. s is clean.
func Width(s string) int { return uniseg.StringWidth(s) }

// Cut shortens s to at most this many cells, between letters. s is clean.
func Cut(s string, cells int) string {
	if len(s) <= cells {
		return s // no letter takes more cells than bytes
	}
	width, state := 0, -1
	for rest := s; rest != ""; {
		var letter string
		var w int
		letter, rest, w, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if width += w; width > cells {
			return s[:len(s)-len(rest)-len(letter)]
		}
	}
	return s
}

// Pad adds spaces to s until it takes this many cells.
func Pad(s string, cells int) string {
	return s + strings.Repeat(" ", max(0, cells-Width(s)))
}

// Clean makes one line of text that somebody else wrote harmless: control
// characters, escape sequences of both the 7 and the 8 bit form with all that
// belongs to them, and marks that change the direction of writing are left out.
// A tab becomes spaces, a backspace takes a letter back, and of what was written
// over with carriage returns the last is left, as a terminal would show it.
func Clean(s string) string {
	s = strings.TrimRight(s, "\r\n")
	s = s[strings.LastIndexByte(s, '\r')+1:]
	if plain(s) {
		return s
	}
	var b []byte
	for s != "" {
		r, n := utf8.DecodeRuneInString(s)
		if rest, ok := sequence(s); ok {
			s = rest
			continue
		}
		s = s[n:]
		switch {
		case r == utf8.RuneError && n == 1:
			b = append(b, "\ufffd"...)
		case r == '\t':
			b = append(b, strings.Repeat(" ", tab-Width(string(b))%tab)...)
		case r == '\b':
			_, last := utf8.DecodeLastRune(b)
			b = b[:len(b)-last]
		case r == '\n':
			b = append(b, ' ')
		case unicode.IsControl(r) || direction(r):
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return string(b)
}

func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// direction says that r changes the direction of what follows, by which text
// can be made to read as another.
func direction(r rune) bool {
	return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200e || r == 0x200f || r == 0x061c
}

// sequence returns what follows the escape sequence that s begins with
// (ECMA-48, 5.3 to 5.6). One that does not end takes all of s.
func sequence(s string) (rest string, ok bool) {
	r, n := utf8.DecodeRuneInString(s)
	kind := byte(0)
	switch {
	case r == esc && len(s) > 1:
		kind, n = s[1], 2
	case r == esc:
		return "", true
	case r >= 0x80 && r <= 0x9f && n > 1:
		kind = byte(r) - 0x40
	case r == utf8.RuneError && n == 1 && s[0] >= 0x80 && s[0] <= 0x9f: // the same outside of UTF-8
		kind = s[0] - 0x40
	default:
		return s, false
	}
	switch kind {
	case '[': // CSI: parameters, then a final byte; a control ends it before
		end := strings.IndexFunc(s[n:], func(r rune) bool { return r >= '@' && r <= '~' || r < ' ' })
		switch {
		case end < 0:
			return "", true
		case s[n+end] < ' ':
			return s[n+end:], true
		}
		return s[n+end+1:], true
	case ']', 'P', 'X', '^', '_': // OSC, DCS, SOS, PM, APC: a string up to ST or BEL
		return afterString(s[n:]), true
	}
	if s[0] == esc { // ESC, intermediate bytes, one more
		for n = 1; n < len(s) && s[n] >= ' ' && s[n] <= '/'; n++ {
		}
		if n < len(s) && s[n] > '/' && s[n] <= '~' {
			n++
		}
	}
	return s[n:], true
}

// afterString skips a control string with its end.
func afterString(s string) string {
	for _, end := range []string{"\x07", "\x1b\\", "\u009c"} {
		if i := strings.Index(s, end); i >= 0 && !strings.ContainsAny(s[:i], "\x07\x1b\u009c") {
			return s[i+len(end):]
		}
	}
	if i := strings.IndexByte(s, esc); i >= 0 {
		return s[i:] // another sequence ends it
	}
	return ""
}
