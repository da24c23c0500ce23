package buildinfo

import "testing"

// TestNumber: clients of docker take a version apart at its dots.
func TestNumber(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"v1.2.3": "1.2.3", "1.2.3-4-g05d2283": "1.2.3-4-g05d2283", "05d2283": "0.0.0+05d2283", "unknown": "0.0.0+unknown",
		"": "0.0.0+", "abc123-dirty": "0.0.0+abc123-dirty",
	} {
		if got := number(version); got != want {
			t.Errorf("%q is %q, want %q", version, got, want)
		}
	}
}
