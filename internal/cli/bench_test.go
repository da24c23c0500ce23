package cli

import (
	"io"
	"strings"
	"testing"
)

// BenchmarkMain is what every command pays in this package before it does
// anything.
func BenchmarkMain(b *testing.B) {
	for b.Loop() {
		Main(Cove(Elsewhere), []string{"version"}, strings.NewReader(""), io.Discard, io.Discard)
	}
}
