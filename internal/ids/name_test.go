package ids

import (
	"strings"
	"testing"
)

func TestValidName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"db": true, "Web-1_x.y": true, "0a": true, strings.Repeat("a", 128): true,
		"": false, "a": false, ".a": false, "-a": false, "_a": false, "a/b": false, "a b": false, "aü": false, "..": false,
		strings.Repeat("a", 129): false,
	} {
		if got := ValidName(name); got != want {
			t.Errorf("ValidName(%q) = %v", name, got)
		}
	}
}
