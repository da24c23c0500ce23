package mounts

import (
	"strings"
	"testing"
)

func TestCheckPropagation(t *testing.T) {
	t.Parallel()
	const info = `22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
23 22 0:21 / /a rw shared:5 - tmpfs a rw
24 22 0:22 / /a/slave rw master:5 - tmpfs a rw
25 22 0:23 / /a/both rw shared:6 master:5 - tmpfs a rw
26 22 0:24 / /with\040space rw shared:7 - tmpfs a rw
27 23 0:25 / /over rw shared:8 - tmpfs a rw
28 27 0:26 / /over rw - tmpfs a rw
`
	for _, tc := range []struct{ source, how, want string }{
		{"/srv", "slave", "path /srv is mounted on / but it is not a shared or slave mount"},
		{"/srv", "shared", "path /srv is mounted on / but it is not a shared mount"},
		{"/a", "slave", ""},
		{"/a/b", "shared", ""},
		{"/ab", "shared", "mounted on / but"},
		{"/a/slave/x", "slave", ""},
		{"/a/slave/x", "shared", "mounted on /a/slave but it is not a shared mount"},
		{"/a/both", "shared", ""},
		{"/with space/x", "slave", ""},
		{"/over/x", "slave", "mounted on /over but"},
	} {
		err := checkPropagation(info, tc.source, tc.how)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s of %s: %v; want %q", tc.how, tc.source, err, tc.want)
		}
	}
}
