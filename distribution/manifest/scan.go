package manifest

import "bytes"

// What a document may cost to read. A body of 4 MiB can hold a million objects,
// each of which takes a hundred times its own bytes in memory, so they are
// counted before anything is decoded. Real images have up to some hundreds of
// layers, artifacts up to some thousands.
const (
	maxObjects = 10_000
	maxValues  = 200_000
	maxDepth   = 32
)

// bounded refuses a document that is too deep or of too many parts. It looks at
// brackets, colons and commas outside of strings and allocates nothing; whether
// the document is valid the decoder says.
func bounded(body []byte, deepest int) error {
	depth, objects, values := 0, 0, 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '"':
			i = stringEnd(body, i)
		case '{', '[':
			depth++
			if body[i] == '{' {
				objects++
			}
		case '}', ']':
			depth--
		case ',', ':':
			values++
		}
		switch {
		case depth > deepest:
			return invalid("it is nested more than %d deep", deepest)
		case objects > maxObjects:
			return invalid("it has more than %d descriptors or other objects", maxObjects)
		case values > maxValues:
			return invalid("it has more than %d values", maxValues)
		}
	}
	return nil
}

// stringEnd is where the string that begins at i ends: at its closing quote, or
// at the end of body.
func stringEnd(body []byte, i int) int {
	for i++; ; {
		n := bytes.IndexAny(body[i:], `"\`)
		switch {
		case n < 0:
			return len(body)
		case body[i+n] == '"':
			return i + n
		}
		if i += n + 2; i >= len(body) { // the backslash, and what it escapes
			return len(body)
		}
	}
}
