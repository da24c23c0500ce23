package version

import (
	"cmp"
	"strings"
)

// epoch splits "1:2.3" into "1" and "2.3"; none is "0".
func epoch(text string) (epoch, rest string) {
	if before, after, ok := strings.Cut(text, ":"); ok {
		return before, after
	}
	return "0", text
}

// release splits at the last "-": the revision of Debian, the release of rpm.
func release(text string) (version, release string) {
	if i := strings.LastIndexByte(text, '-'); i >= 0 {
		return text[:i], text[i+1:]
	}
	return text, ""
}

// compareNumber compares runs of digits of any length.
func compareNumber(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

func digit(c byte) bool  { return '0' <= c && c <= '9' }
func letter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// prefix splits off the longest prefix of bytes that is all so.
func prefix(text string, is func(byte) bool) (head, rest string) {
	i := 0
	for i < len(text) && is(text[i]) {
		i++
	}
	return text[:i], text[i:]
}

// compareDebian is the order of deb-version(7).
func compareDebian(a, b string) int {
	ea, ra := epoch(a)
	eb, rb := epoch(b)
	va, da := release(ra)
	vb, db := release(rb)
	return cmp.Or(compareNumber(ea, eb), compareDebianPart(va, vb), compareDebianPart(da, db))
}

// compareDebianPart compares text that is no digits and numbers by turns. Of the
// text "~" is before the end, the end before letters, and these before the rest.
func compareDebianPart(a, b string) int {
	notDigit := func(c byte) bool { return !digit(c) }
	for a != "" || b != "" {
		var ta, tb, na, nb string
		ta, a = prefix(a, notDigit)
		tb, b = prefix(b, notDigit)
		for i := range max(len(ta), len(tb)) {
			if c := cmp.Compare(debianOrder(ta, i), debianOrder(tb, i)); c != 0 {
				return c
			}
		}
		na, a = prefix(a, digit)
		nb, b = prefix(b, digit)
		if c := compareNumber(na, nb); c != 0 {
			return c
		}
	}
	return 0
}

func debianOrder(text string, i int) int {
	switch {
	case i >= len(text):
		return 0
	case text[i] == '~':
		return -1
	case letter(text[i]):
		return int(text[i])
	}
	return int(text[i]) + 256
}

// compareRPM is the order of rpm's EPOCH:VERSION-RELEASE, in which a release that
// one of both does not say is not looked at.
func compareRPM(a, b string) int {
	ea, ra := epoch(a)
	eb, rb := epoch(b)
	va, la := release(ra)
	vb, lb := release(rb)
	c := cmp.Or(compareNumber(ea, eb), compareRPMPart(va, vb))
	if c != 0 || la == "" || lb == "" {
		return c
	}
	return compareRPMPart(la, lb)
}

// compareRPMPart is rpmvercmp: runs of digits and of letters, whatever is between
// them; "~" is before the end and "^" just behind it.
func compareRPMPart(a, b string) int {
	between := func(c byte) bool { return !digit(c) && !letter(c) && c != '~' && c != '^' }
	for a != b {
		_, a = prefix(a, between)
		_, b = prefix(b, between)
		if c, marked := rpmMark(a, b); marked {
			if c != 0 {
				return c
			}
			a, b = a[1:], b[1:]
			continue
		}
		if a == "" || b == "" {
			return cmp.Compare(len(a), len(b))
		}
		is := letter
		if digit(a[0]) {
			is = digit
		}
		var pa, pb string
		pa, a = prefix(a, is)
		pb, b = prefix(b, is)
		switch {
		case pb == "" && digit(pa[0]):
			return 1 // numbers are newer than letters
		case pb == "":
			return -1
		}
		c := strings.Compare(pa, pb)
		if digit(pa[0]) {
			c = compareNumber(pa, pb)
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// rpmMark compares where one of both goes on with "~" or "^".
func rpmMark(a, b string) (c int, marked bool) {
	rank := func(text, other string) int {
		switch {
		case strings.HasPrefix(text, "~"):
			return -2
		case text == "":
			return -1
		case text[0] == '^' && other == "":
			return 0
		case text[0] == '^':
			return -1 // older than what goes on
		}
		return 1
	}
	if a == "" && b == "" || !strings.ContainsAny(first(a)+first(b), "~^") {
		return 0, false
	}
	if first(a) == "^" && first(b) == "^" {
		return 0, true
	}
	return cmp.Compare(rank(a, b), rank(b, a)), true
}

func first(text string) string { return text[:min(len(text), 1)] }
