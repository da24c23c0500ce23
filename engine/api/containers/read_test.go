package containers

import (
	"errors"
	"testing"
	"time"

	"cove/errdefs"
)

func TestTimesOfLogs(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	for text, want := range map[string]time.Time{
		"": {}, "0": {}, "5": time.Unix(5, 0), "5.5": time.Unix(5, 500_000_000), "5.000000001": time.Unix(5, 1), "10s": time.Unix(990, 0),
	} {
		if got, err := since(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	if _, err := since("soon", now); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("%v", err)
	}
}
