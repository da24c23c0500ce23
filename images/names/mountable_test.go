package names

import (
	"slices"
	"testing"

	"cove/reference"
)

func TestMountable(t *testing.T) {
	t.Parallel()
	ref, err := reference.Parse("reg.example.com/team/app:v1")
	if err != nil {
		t.Fatal(err)
	}
	var all []Record
	for _, name := range []string{"team/app:v0", "team/base:1", "team/base:2", "other/a:1", "other/b:1"} {
		all = append(all, Record{Name: "reg.example.com/" + name, Origin: "sha256:x"})
	}
	all = append(all, Record{Name: "elsewhere.example.com/team/base:1", Origin: "sha256:x"}, Record{Name: "reg.example.com/never/pushed:1"})
	each := func(Record) bool { return true }
	for _, tc := range []struct {
		said   []string
		shares func(Record) bool
		want   []string
	}{
		{nil, each, []string{"team/base", "other/a", "other/b"}},
		{[]string{"team/cache", "other/a"}, each, []string{"team/cache", "other/a", "team/base"}},
		{[]string{"1", "2", "3", "4"}, each, []string{"1", "2", "3"}},
		{nil, func(r Record) bool { return r.Name == "reg.example.com/other/b:1" }, []string{"other/b"}},
	} {
		if got := Mountable(all, ref, tc.said, tc.shares); !slices.Equal(got, tc.want) {
			t.Errorf("%q: %q, want %q", tc.said, got, tc.want)
		}
	}
}
