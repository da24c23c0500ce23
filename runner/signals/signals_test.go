package signals

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]unix.Signal{
		"": unix.SIGTERM, "9": unix.SIGKILL, "KILL": unix.SIGKILL, "SIGKILL": unix.SIGKILL, "sigint": unix.SIGINT,
		"RTMIN+3": 37, "SIGRTMAX-1": 63, "RTMIN": 34,
	} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"0", "65", "-1", "NOPE", "RTMIN+99", "RTMIN+x", " KILL"} {
		if got, err := Parse(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}
