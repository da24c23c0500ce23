package output

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"cove/errdefs"
)

type pet struct{ id, name string }

var pets = List[pet]{
	Columns: []Column[pet]{
		{Field: "ID", Header: "PET ID", Value: func(p pet) string { return p.id }},
		{Field: "Name", Header: "NAME", Value: func(p pet) string { return p.name }},
		{Field: "Loud", Header: "LOUD", Value: func(p pet) string { return strings.ToUpper(p.name) }, Extra: true},
	},
	ID: func(p pet) string { return p.id },
}

func TestListFormats(t *testing.T) {
	t.Parallel()
	rows := []pet{{"1", "cat"}, {"2", "<dog>"}}
	for _, tc := range []struct {
		name string
		o    Options
		want string
	}{
		{"table", Options{}, "PET ID    NAME\n1         cat\n2         <dog>\n"},
		{"table by name", Options{Format: "table"}, "PET ID    NAME\n1         cat\n2         <dog>\n"},
		{"quiet", Options{Quiet: true}, "1\n2\n"},
		{"template", Options{Format: "{{.Name}}={{.ID}}"}, "cat=1\n<dog>=2\n"},
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
		err := pets.Write(&bytes.Buffer{}, Options{Format: format}, []pet{{"1", "cat"}})
		if !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", format, err)
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
