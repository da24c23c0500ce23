package listing

import (
	"errors"
	"reflect"
	"testing"

	"cove/errdefs"
)

// TestParseTerms reads Harbor's patterns, and refuses what is none.
func TestParseTerms(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]Term{
		"":                            nil,
		" , ":                         nil,
		"name=web":                    {{"name", Is, []string{"web"}}},
		"Name=~web, public=":          {{"name", Like, []string{"web"}}, {"public", Is, []string{""}}},
		"size=[1~10]":                 {{"size", Between, []string{"1", "10"}}},
		`at=["2020-04-09 02:36:00"~]`: {{"at", Between, []string{"2020-04-09 02:36:00", ""}}},
		`tag={v1 "v 2" 'v3'}`:         {{"tag", OneOf, []string{"v1", "v 2", "v3"}}},
		"labels=(1 2)":                {{"labels", AllOf, []string{"1", "2"}}},
		`name="a b"`:                  {{"name", Is, []string{"a b"}}},
		"name=~":                      {{"name", Like, []string{""}}},
		"name=a=b":                    {{"name", Is, []string{"a=b"}}},
	} {
		got, err := ParseTerms(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v %v", text, got, err)
		}
	}
	for _, text := range []string{"name", "=x", "a=[1~2", "a=[1]", "a=[~]", "a={}", "a={x", "a=(", `a={"x}`, "a=1,b"} {
		if got, err := ParseTerms(text); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: %+v %v", text, got, err)
		}
	}
}

// TestNarrow: values are arguments and never text of the statement.
func TestNarrow(t *testing.T) {
	t.Parallel()
	fields := map[string]field{
		"name": {column: "p.name"}, "n": {column: "p.n", kind: counts}, "on": {column: "p.x", kind: flags},
		"at":   {column: "p.at", kind: times},
		"tags": {presence: "SELECT 1 FROM t WHERE t.id = p.id", compared: "t.name"},
	}
	for text, want := range map[string]struct {
		from string
		args []any
	}{
		"name=x' OR 1=1":   {" AND (p.name = $2) ", []any{7, "x' OR 1=1"}},
		"name=~A_%":        {` AND LOWER(p.name) LIKE $2 ESCAPE '\' `, []any{7, `%a\_\%%`}},
		"n=[1~3]":          {" AND p.n >= $2 AND p.n <= $3 ", []any{7, int64(1), int64(3)}},
		"n={1 3}":          {" AND (p.n = $2 OR p.n = $3) ", []any{7, int64(1), int64(3)}},
		"on=true":          {" AND (p.x = $2) ", []any{7, int64(1)}},
		"at=[~1970-01-02]": {" AND p.at <= $2 ", []any{7, int64(86_400_000_000)}},
		"tags=nil":         {" AND NOT EXISTS (SELECT 1 FROM t WHERE t.id = p.id) ", []any{7}},
		"tags=(a b)":       {" AND EXISTS (SELECT 1 FROM t WHERE t.id = p.id AND (t.name = $2)) AND EXISTS (SELECT 1 FROM t WHERE t.id = p.id AND (t.name = $3)) ", []any{7, "a", "b"}},
	} {
		q := query{from: "", args: []any{7}, fields: fields}
		terms, err := ParseTerms(text)
		if err == nil {
			err = q.narrow(terms)
		}
		if err != nil || q.from != want.from || !reflect.DeepEqual(q.args, want.args) {
			t.Errorf("%q: %q %v %v", text, q.from, q.args, err)
		}
	}
	for _, text := range []string{"n=x", "n=~1", "on=perhaps", "at=[x~]", "name=(a b)"} {
		q := query{fields: fields}
		terms, _ := ParseTerms(text)
		if err := q.narrow(terms); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: %v", text, err)
		}
	}
	q := query{fields: fields}
	if err := q.narrow([]Term{{"colour", Is, []string{"red"}}}); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("a column that is none: %v", err)
	}
	q.order = "p.id"
	if err := q.sort([]string{"-name", "n"}); err != nil || q.order != "p.name DESC, p.n, p.id" {
		t.Errorf("sorted by %q: %v", q.order, err)
	}
	for _, by := range []string{"colour", "tags", "name; DROP TABLE p"} {
		if err := q.sort([]string{by}); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("sorted by %q: %v", by, err)
		}
	}
}
