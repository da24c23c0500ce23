package callcmd

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"cove/engine/builds"
	"cove/errdefs"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		flag  string
		check bool
		want  Call
	}{
		{"", false, Call{}},
		{"build", false, Call{}},
		{"build", true, Call{question: builds.AskLint}},
		{"lint", true, Call{question: builds.AskLint}},
		{"check,format=json,ignorestatus=true", false, Call{builds.AskLint, true, true}},
		{"format=json,outline", false, Call{builds.AskOutline, true, false}},
		{"targets,format=text", false, Call{builds.AskTargets, false, false}},
		{"subrequests.describe", false, Call{question: builds.AskDescribe}},
	} {
		got, err := Parse(tc.flag, tc.check)
		if err != nil || got != tc.want || got.Asks() != (got.question != "") {
			t.Errorf("%q: %+v, %v", tc.flag, got, err)
		}
	}
	for flag, want := range map[string]string{
		"nonsense": "want build, check, outline", "outline,targets": "names both", "check,format=xml": "format=json",
		"check,ignorestatus=maybe": "ignorestatus=true or false", "check,colour=red": "none of format",
	} {
		if _, err := Parse(flag, false); !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", flag, err)
		}
	}
	if _, err := Parse("outline", true); err == nil || !strings.Contains(err.Error(), "--check") {
		t.Errorf("two questions: %v", err)
	}
}

// TestFields: the error of an answer stands among its fields.
func TestFields(t *testing.T) {
	t.Parallel()
	got, err := json.Marshal(fields(`{"targets":[1]}`, errors.New("broken")))
	if err != nil || string(got) != `{"error":"broken","targets":[1]}` {
		t.Errorf("%s %v", got, err)
	}
	if got := fields("", nil); len(got) != 0 {
		t.Error(got)
	}
}

// TestFirst: the options of the target that is asked about lead.
func TestFirst(t *testing.T) {
	t.Parallel()
	var all []builds.Options
	for _, name := range []string{"a", "b", "c"} {
		o := builds.Options{}
		o.Name = name
		all = append(all, o)
	}
	if got := first(all, "b"); len(got) != 3 || got[0].Name != "b" || got[1].Name != "a" || got[2].Name != "c" {
		t.Errorf("%+v", got)
	}
}
