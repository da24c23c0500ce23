package byterange

import (
	"math"
	"net/http"
	"strconv"
	"testing"
)

// TestNormalize keeps the unit that is known, and what the numbers mean.
func TestNormalize(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"bytes=0-1": "bytes=0-1", "Bytes=0-1": "bytes=0-1", "items=0-1": "", "bytes": "", "": "",
		"bytes=-0": "bytes=9223372036854775807-", "bytes=-00, 0-1": "bytes=9223372036854775807-,0-1",
		"bytes=0-99999999999999999999":      "bytes=0-9223372036854775807",
		"bytes=-99999999999999999999":       "bytes=-9223372036854775807",
		"bytes=0000000000000000000000001-2": "bytes=0000000000000000000000001-2",
		"bytes=99999999999999999999-":       "bytes=9223372036854775807-",
		"bytes=-":                           "bytes=-", "bytes=x-0": "bytes=x-0", "bytes=3": "bytes=3", "bytes=": "bytes=",
	} {
		h := http.Header{}
		if given != "" {
			h.Set("Range", given)
		}
		if Normalize(h); h.Get("Range") != want {
			t.Errorf("%q: %q, want %q", given, h.Get("Range"), want)
		}
	}
}

func TestContentRange(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][2]int64{
		"0-0": {0, 0}, "0-4": {0, 4}, "5-1073741823": {5, 1073741823}, "bytes 0-9/*": {0, 9}, "bytes 1-2/3": {1, 2},
	} {
		start, end, ok := ParseContent(in)
		if !ok || start != want[0] || end != want[1] {
			t.Errorf("%q = %d-%d, %v", in, start, end, ok)
		}
	}
	for _, in := range []string{"", "-", "5", "5-", "-5", "5-4", "+1-2", "1-+2", "0x1-2", " 1-2", "1- 2", "1-99999999999999999999", "0-9223372036854775807", "a-b", "1-2-3"} {
		if start, end, ok := ParseContent(in); ok {
			t.Errorf("%q is taken for %d-%d", in, start, end)
		}
	}
}

func FuzzContentRange(f *testing.F) {
	f.Add("0-10")
	f.Add("bytes 0-10/11")
	f.Fuzz(func(t *testing.T, in string) {
		start, end, ok := ParseContent(in)
		if !ok {
			return
		}
		if start < 0 || end < start || end == math.MaxInt64 {
			t.Errorf("%q = %d-%d", in, start, end)
		}
		if s, e, ok := ParseContent(strconv.FormatInt(start, 10) + "-" + strconv.FormatInt(end, 10)); !ok || s != start || e != end {
			t.Errorf("%q does not survive being written", in)
		}
	})
}
