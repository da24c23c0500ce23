package selector_test

import (
	"strings"
	"testing"
	"time"

	"cove/registry/selector"
)

// TestEvilGlobs: no glob that is taken needs long for any name, however its parts
// repeat each other. A maintainer writes it, and the work of all waits for it.
func TestEvilGlobs(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("a", 128)
	path := strings.Repeat("a/", 120) + "b"
	for _, glob := range []string{
		strings.Repeat("{a,aa}", 42) + "b", strings.Repeat("{a,a}", 40) + "c", strings.Repeat("{a*,*a}", 36), "{" + strings.Repeat("{a,aa}", 41) + "}",
		strings.Repeat("*a", 120) + "b", strings.Repeat("**/", 80) + "c", strings.Repeat("**/a/", 50) + "c", strings.Repeat("?*", 127),
		strings.Repeat("{**/a,*/a}/", 23) + "c", strings.Repeat("[a-z]*", 42) + "!", strings.Repeat("{,a}", 60),
	} {
		for _, s := range []selector.Selector{{Tags: glob}, {Repositories: glob}} {
			if s.Check() != nil {
				continue // it is refused
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				s.Tag(name)
				s.Repository(path)
			}()
			select {
			case <-done:
			case <-time.After(5 * time.Second):
				t.Errorf("%.60s… takes for ever", glob)
			}
		}
	}
}
