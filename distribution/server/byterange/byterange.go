// Package byterange reads the ranges of bytes in requests: which part of a blob is
// asked for, and which part of an upload comes.
package byterange

import (
	"math"
	"net/http"
	"strconv"
	"strings"
)

// Normalize writes the Range of a request as http.ServeContent can read it. That
// refuses a unit it does not know, which is to be ignored (RFC 9110, 14.2), and
// numbers that are too large for it; units compare case-insensitively.
func Normalize(h http.Header) {
	unit, ranges, ok := strings.Cut(h.Get("Range"), "=")
	if !ok || !strings.EqualFold(unit, "bytes") {
		h.Del("Range")
		return
	}
	specs := strings.Split(ranges, ",")
	for i, spec := range specs {
		first, last, ok := strings.Cut(spec, "-")
		if first, last = position(first), position(last); first == "" && last != "" && strings.Trim(last, "0") == "" {
			specs[i] = farthest + "-" // the last none of the bytes: satisfied by no blob
		} else if ok {
			specs[i] = first + "-" + last
		}
	}
	h.Set("Range", "bytes="+strings.Join(specs, ","))
}

// farthest is a position behind the end of every blob.
var farthest = strconv.FormatInt(math.MaxInt64, 10)

// position is one in a range: a number of any length is one (RFC 9110, 14.1.2).
func position(digits string) string {
	digits = strings.TrimSpace(digits)
	if n := strings.TrimLeft(digits, "0"); len(n) >= len(farthest) && strings.Trim(n, "0123456789") == "" {
		return farthest
	}
	return digits
}

// ParseContent reads a Content-Range: START-END, both inclusive, as the specification
// writes it, and RFC 9110's "bytes START-END/TOTAL", which some clients send.
func ParseContent(v string) (start, end int64, ok bool) {
	v = strings.TrimPrefix(v, "bytes ")
	v, _, _ = strings.Cut(v, "/")
	first, last, found := strings.Cut(v, "-")
	if !found {
		return 0, 0, false
	}
	start, ok1 := decimal(first)
	end, ok2 := decimal(last)
	if !ok1 || !ok2 || end < start || end == math.MaxInt64 {
		return 0, 0, false
	}
	return start, end, true
}

// decimal reads digits and nothing else: no sign, no space.
func decimal(s string) (int64, bool) {
	n, err := strconv.ParseUint(s, 10, 63)
	return int64(n), err == nil
}
