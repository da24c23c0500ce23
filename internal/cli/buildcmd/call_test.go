package buildcmd

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cove/builder"
	"cove/builder/dockerfile"
)

func TestParseCall(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]call{
		"build": {method: "build"}, "check": {method: "check"}, "lint": {method: "check"},
		"outline,format=json": {method: "outline", json: true}, "targets,format=text": {method: "targets"},
	} {
		f := buildFlags{call: text}
		if got, err := f.parseCall(); err != nil || got != want {
			t.Errorf("--call %s: %+v %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "subrequests.describe", "outline,format=yaml"} {
		f := buildFlags{call: bad}
		if _, err := f.parseCall(); err == nil {
			t.Errorf("--call %s is accepted", bad)
		}
	}
	f := buildFlags{call: "build", check: true}
	if got, err := f.parseCall(); err != nil || got.method != "check" {
		t.Errorf("--check: %+v %v", got, err)
	}
}

func TestTargetsAndOutline(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	stages := []dockerfile.Stage{{Name: "build", Description: "compiles it"}, {}, {Name: "app", Default: true}}
	if err := writeTargets(&out, stages); err != nil {
		t.Fatal(err)
	}
	o := dockerfile.Outline{
		Name: "app", Description: "the server", Args: []dockerfile.OutlineArg{{Name: "VERSION", Value: "1", Description: "of it"}},
		Secrets: []dockerfile.OutlineUse{{Name: "token", Required: true}}, SSH: []dockerfile.OutlineUse{{Name: "default"}},
		Cache: []dockerfile.OutlineUse{{Name: "/root/.cache"}},
	}
	if err := writeOutline(&out, o); err != nil {
		t.Fatal(err)
	}
	want := `TARGET           DESCRIPTION
build            compiles it
app (default)    
TARGET:         app
DESCRIPTION:    the server

BUILD ARG    VALUE    DESCRIPTION
VERSION      1        of it

SECRET    REQUIRED
token     true

SSH        REQUIRED
default    

CACHE MOUNT
/root/.cache    
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	out.Reset()
	warnings := []builder.Warning{{Rule: "R", Text: "t", Location: builder.Location{Line: 3}}}
	if err := writeJSON(&out, lintWarnings(warnings)); err != nil {
		t.Fatal(err)
	}
	want = `[
  {
    "ruleName": "R",
    "detail": "t",
    "location": {
      "ranges": [
        {
          "start": {
            "line": 3
          },
          "end": {
            "line": 3
          }
        }
      ]
    }
  }
]
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}
