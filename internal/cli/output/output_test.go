package output

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"cove/errdefs"
)

// pet is a row.
type pet struct{ ID, Loud, Name string }

// Called is for templates alone.
func (p pet) Called(by string) string { return by + ", " + p.Name }

var pets = List[pet]{
	Columns: []Column{
		{Field: "ID", Header: "PET ID"},
		{Field: "Name", Header: "NAME"},
		{Field: "Loud", Header: "LOUD", Extra: true},
	},
	ID: "ID",
}

func TestListFormats(t *testing.T) {
	t.Parallel()
	rows := []pet{{"1", "CAT", "cat"}, {"2", "<DOG>", "<dog>"}}
	for _, tc := range []struct {
		name string
		o    Options
		want string
	}{
		{"table", Options{}, "PET ID    NAME\n1         cat\n2         <dog>\n"},
		{"table by name", Options{Format: "table"}, "PET ID    NAME\n1         cat\n2         <dog>\n"},
		{"quiet", Options{Quiet: true}, "1\n2\n"},
		{"template", Options{Format: "{{.Name}}={{.ID}}"}, "cat=1\n<dog>=2\n"},
		{"method", Options{Format: `{{.Called "hey"}}`}, "hey, cat\nhey, <dog>\n"},
		{"whole row", Options{Format: "{{json .}}"}, `{"ID":"1","Loud":"CAT","Name":"cat"}` + "\n" + `{"ID":"2","Loud":"<DOG>","Name":"<dog>"}` + "\n"},
		{"extra column", Options{Format: "{{.Loud}}"}, "CAT\n<DOG>\n"},
		{"table template", Options{Format: `table {{.Name}}\t{{.ID}}`}, "NAME      PET ID\ncat       1\n<dog>     2\n"},
		{"json", Options{Format: "json"}, `{"ID":"1","Loud":"CAT","Name":"cat"}` + "\n" + `{"ID":"2","Loud":"<DOG>","Name":"<dog>"}` + "\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			if err := pets.Write(&b, tc.o, rows); err != nil {
				t.Fatal(err)
			}
			if b.String() != tc.want {
				t.Errorf("got\n%q\nwant\n%q", b.String(), tc.want)
			}
		})
	}
}

func TestListRefusesUnknownField(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"{{.Nam}}", "{{.Name"} {
		for _, rows := range [][]pet{{{"1", "CAT", "cat"}}, nil} { // also of an empty list
			err := pets.Write(&bytes.Buffer{}, Options{Format: format}, rows)
			if !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), "template parsing error") {
				t.Errorf("%s: got %v, want ErrInvalid", format, err)
			}
		}
	}
}

func TestObjectFindsGoNameThenJSONKey(t *testing.T) {
	t.Parallel()
	type state struct{ Pid int }
	object := struct {
		ID     string `json:"Id"`
		State  state
		Labels map[string]string
	}{"abc", state{42}, map[string]string{"a": "b"}}
	for format, want := range map[string]string{
		"{{.State.Pid}}":  "42\n",
		"{{.ID}}":         "abc\n",
		"{{.Id}}":         "abc\n",
		"{{json .State}}": `{"Pid":42}` + "\n",
		"json":            `{"Id":"abc","State":{"Pid":42},"Labels":{"a":"b"}}` + "\n",
		"{{.Labels.a}}":   "b\n",
		"{{.Labels.c}}":   "<no value>\n", // as docker's
	} {
		var b bytes.Buffer
		if err := Object(&b, format, object); err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		if b.String() != want {
			t.Errorf("%s: got %q, want %q", format, b.String(), want)
		}
	}
	if err := Object(&bytes.Buffer{}, "{{.Nope}}", object); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("unknown field: got %v, want ErrInvalid", err)
	}
}

func TestUses(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]bool{
		"": false, "json": false, "table": false, "{{.Size}}": true, "table {{.ID}}\t{{.Size}}": true,
		"{{if .Size}}x{{end}}": true, "{{.VirtualSize}} {{.Sizes}}": false, "Size": false, "{{.Size": false, "{{json .Size}}": true,
	} {
		if got := Uses(format, "Size"); got != want {
			t.Errorf("%s: %v", format, got)
		}
	}
}
