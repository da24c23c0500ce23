// Package plural says how many there are of something in English, which has another word
// for one of them.
package plural

import (
	"fmt"
	"io"
	"regexp"
	"strings"
)

// counted is a number in a format, with the word behind it that says of what.
var counted = regexp.MustCompile(`%d [a-z]+s\b(?: are\b)?|%[-+# 0-9.]*[a-zA-Z%]`)

// Sprintf is fmt.Sprintf, but that the words behind a %d, as of "%d tags are", are those for one
// thing where the number is 1.
func Sprintf(format string, args ...any) string {
	at := 0
	format = counted.ReplaceAllStringFunc(format, func(found string) string {
		if found == "%%" {
			return found
		}
		at++
		number, word, ok := strings.Cut(found, " ")
		if !ok || at > len(args) || fmt.Sprint(args[at-1]) != "1" {
			return found
		}
		return number + " " + One(word)
	})
	return fmt.Sprintf(format, args...)
}

// Fprintf is fmt.Fprintf with such words.
func Fprintf(w io.Writer, format string, args ...any) (int, error) {
	return io.WriteString(w, Sprintf(format, args...))
}

// One is the word for one of what a plural names; with " are" behind it, that is " is".
func One(word string) string {
	if several, ok := strings.CutSuffix(word, " are"); ok {
		return One(several) + " is"
	}
	if stem, ok := strings.CutSuffix(word, "ies"); ok {
		return stem + "y"
	}
	return strings.TrimSuffix(word, "s")
}
