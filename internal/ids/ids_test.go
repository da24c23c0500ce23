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
