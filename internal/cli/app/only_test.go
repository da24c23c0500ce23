package app

import (
	"testing"

	"github.com/spf13/pflag"
)

func TestOnly(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ arg, want string }{
		{"--isolation=default", ""},
		{"--isolation=hyperv", `invalid argument "hyperv" for "--isolation" flag: there is only default`},
		{"--link", `invalid argument "true" for "--link" flag: there are no links`},
		{"--link=false", ""},
	} {
		fs := pflag.NewFlagSet("", pflag.ContinueOnError)
		Register(fs, Only{Name: "isolation", Values: []string{"default"}, Why: "there is only default"},
			Only{Name: "link", Values: []string{"false"}, Why: "there are no links", Switch: true})
		got := ""
		if err := fs.Parse([]string{tc.arg}); err != nil {
			got = err.Error()
		}
		if got != tc.want {
			t.Errorf("%s: %q, want %q", tc.arg, got, tc.want)
		}
	}
}
