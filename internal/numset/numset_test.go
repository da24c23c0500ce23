package numset

import (
	"slices"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]Set{
		"": nil, "0": {1}, "0-3,7": {0x8f}, " 1 , 64": {2, 1}, "63-64": {1 << 63, 1}, "3,3": {8},
	} {
		if got, err := Parse(list); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", list, got, err)
		}
	}
	for _, list := range []string{"a", "-1", "3-2", "1-", "1-2-3", "8192", "99999", "0x1", "1-42,,", ",", "1,", ",1"} {
		if got, err := Parse(list); err == nil {
			t.Errorf("%q: %v", list, got)
		}
	}
}

func TestInAndLen(t *testing.T) {
	t.Parallel()
	online := Set{0x0f}
	for list, want := range map[string]bool{"": true, "0-3": true, "2": true, "4": false, "0,64": false} {
		s, err := Parse(list)
		if err != nil || s.In(online) != want {
			t.Errorf("%q: %v, %v", list, s.In(online), err)
		}
	}
	if n := (Set{0x0f, 1}).Len(); n != 5 {
		t.Error(n)
	}
}

func TestMask(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{"": "0x0", "0": "0x1", "1,3": "0xa", "4,64": "0x10000000000000010", "127": "0x80000000000000000000000000000000"} {
		set, err := Parse(list)
		if got := set.Mask(); err != nil || got != want {
			t.Errorf("%q: %s, %v, want %s", list, got, err, want)
		}
	}
}
