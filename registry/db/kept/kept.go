// Package kept says which texts databases keep.
package kept

import (
	"strings"
	"unicode/utf8"
)

// Text is a text as databases keep it: PostgreSQL takes neither a byte 0 nor what is no UTF-8,
// and fails the statement, also one that only looks for it. SQLite takes both. In each the
// character of Unicode that stands for what is none stands in its place.
func Text(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// Texts has each text among the arguments of a statement be one that databases keep.
func Texts(args []any) []any {
	kept := args
	for i, arg := range args {
		s, ok := arg.(string)
		if !ok {
			continue
		}
		if text := Text(s); len(text) != len(s) || text != s {
			if &kept[0] == &args[0] { // the caller's stay as they are
				kept = append([]any(nil), args...)
			}
			kept[i] = text
		}
	}
	return kept
}
