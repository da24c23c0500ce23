package ids

import (
	"strings"
	"testing"
)

func TestIDs(t *testing.T) {
	t.Parallel()
	a, b := New(), New()
	if a == b || !Valid(a) || !Valid(b) || len(Short(a)) != 12 {
		t.Errorf("New made %q and %q", a, b)
	}
	for _, id := range []string{"", "0f", strings.Repeat("0F", 32), a + "0", a[:63] + "/"} {
		if Valid(id) {
			t.Errorf("%q is no ID", id)
		}
	}
	if a, b := Unique("load"), Unique("load"); a == b || !strings.HasPrefix(a, "load/") {
		t.Errorf("Unique made %q and %q", a, b)
	}
	if again := Boot(); len(again) != 36 || again != Boot() {
		t.Errorf("Boot is %q", again)
	}
}

func TestRandomName(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		name := RandomName()
		if adjective, noun, ok := strings.Cut(name, "_"); !ok || adjective == "" || noun == "" || !ValidName(name) {
			t.Errorf("%q is no name", name)
		}
		seen[name] = true
	}
	if len(seen) < 50 {
		t.Errorf("100 names are %d", len(seen))
	}
}
