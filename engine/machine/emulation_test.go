package machine

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
)

// aarch64 is what the kernel shows after Debian's qemu-user-binfmt.
const aarch64 = `enabled
interpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P
flags: POCF
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
`

func TestCheckEmulated(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ text, arch, want string }{
		{aarch64, "arm64", ""},
		{aarch64, "s390x", "cannot run programs for linux/s390x"},
		{strings.Replace(aarch64, "enabled", "disabled", 1), "arm64", "cannot run programs"},
		{strings.Replace(aarch64, "POCF", "POC", 1), "arm64", "without the flag F"},
		{strings.Replace(aarch64, "offset 0", "offset 4", 1), "arm64", "cannot run programs"},
		{"enabled\ninterpreter /usr/bin/jexec\nflags: F\nextension .jar\n", "arm64", "cannot run programs"},
		{aarch64, "wasm", "cannot run programs for linux/wasm"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "qemu"), []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := checkEmulated(dir, ocispec.Platform{OS: "linux", Architecture: tc.arch})
		if tc.want == "" && err == nil {
			continue
		}
		if tc.want == "" || !errors.Is(err, errdefs.ErrUnsupported) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s with %q: %v, want %q", tc.arch, tc.text, err, tc.want)
		}
	}
	if err := CheckRuns(ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH}); err != nil {
		t.Error(err)
	}
}
