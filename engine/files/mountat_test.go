package files

import (
	"os"
	"path/filepath"
	"testing"

	"cove/runner/record"
)

// TestMountAt finds where cp has to go while the container does not run: what is
// mounted nearest above a name, and never what only begins with the same letters.
func TestMountAt(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mounts := []record.Mounted{
		{Source: dir, Target: "/data", Name: "outer"},
		{Source: dir, Target: "/data/in/", Name: "inner"},
		{Source: file, Target: "/etc/conf", Name: "file"},
		{Source: filepath.Join(dir, "gone"), Target: "/gone", Name: "gone"},
	}
	for _, tt := range []struct{ name, mount, rest string }{
		{"/data/x", "outer", "/x"},
		{"data/x", "outer", "/x"},
		{"/data", "outer", "/"},
		{"/data/", "outer", "//"},
		{"/data/.", "outer", "//."},
		{"/data/in/x/", "inner", "/x/"},
		{"/data/in/../x", "outer", "/x"},
		{"/database", "", ""},
		{"/etc/conf", "", ""}, // a file has nothing below it
		{"/gone/x", "", ""},   // its source is not there any more
		{"/", "", "/"},
	} {
		m, rest, ok := mountAt(mounts, tt.name)
		if ok != (tt.mount != "") || m.Name != tt.mount || ok && rest != tt.rest {
			t.Errorf("%s: %q, %q, %v; want %q, %q", tt.name, m.Name, rest, ok, tt.mount, tt.rest)
		}
	}
}
