package tagcmd

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"cove/registry/history"
)

func TestNamesAreTakenApart(t *testing.T) {
	t.Parallel()
	dgst := "sha256:" + strings.Repeat("ab", 32)
	for text, want := range map[string]history.Request{
		"team/app":             {Repository: "team/app"},
		"app":                  {Repository: "library/app"},
		"team/app:v1":          {Repository: "team/app", Tag: "v1"},
		"app:v1":               {Repository: "library/app", Tag: "v1"},
		"team/deep/app:v1.2-3": {Repository: "team/deep/app", Tag: "v1.2-3"},
		"team/app@" + dgst:     {Repository: "team/app", Digest: digest.Digest(dgst)},
	} {
		got, err := name(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"team/app@sha256:short", "team/app@", "a@b@c"} {
		if got, err := name(text); err == nil {
			t.Errorf("%s is taken for %+v", text, got)
		}
	}
	if got := short(""); got != "-" {
		t.Errorf("nothing is %q", got)
	}
	if got := short("sha256:ab"); got != "sha256:ab" {
		t.Errorf("a short one is %q", got)
	}
}
