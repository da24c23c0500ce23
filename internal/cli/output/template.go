package output

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	texttemplate "text/template"
	"unicode"

	"cove/errdefs"
	"cove/internal/cli/app"
)

type template = *texttemplate.Template

// parse reads a --format value: a Go template with docker's functions, where
// \t and \n may be typed as two characters.
func parse(body string) (template, error) {
	body = strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(body)
	t, err := texttemplate.New("format").Option("missingkey=error").Funcs(texttemplate.FuncMap{
		"json":  toJSON,
		"join":  strings.Join,
		"split": strings.Split,
		"lower": strings.ToLower,
		"upper": strings.ToUpper,
		"title": func(s string) string { return strings.ToUpper(s[:min(1, len(s))]) + s[min(1, len(s)):] },
		"pad": func(s string, left, right int) string {
			return strings.Repeat(" ", left) + s + strings.Repeat(" ", right)
		},
		"truncate": func(s string, n int) string { return s[:min(max(n, 0), len(s))] },
	}).Parse(body)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "template parsing error: %w", err)
	}
	return t, nil
}

func toJSON(v any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// Objects prints what inspect found: a JSON array, or each through a template.
func Objects(w io.Writer, format string, objects []any) error {
	switch format {
	case "":
		return writeIndented(w, objects)
	case "json":
		for _, o := range objects {
			if err := writeCompact(w, o); err != nil {
				return err
			}
		}
		return nil
	}
	for _, o := range objects {
		if err := Object(w, format, o); err != nil {
			return err
		}
	}
	return nil
}

// Each finds objects by name and prints them, then tells which were not found.
func Each(w io.Writer, format string, refs []string, find func(ref string) (any, error)) error {
	found := []any{}
	var missing []error
	for _, ref := range refs {
		o, err := find(ref)
		if err != nil {
			missing = append(missing, err)
			continue
		}
		found = append(found, o)
	}
	return app.Join(append([]error{Objects(w, format, found)}, missing...)...)
}

// Object prints one object through a template ("json" for JSON). Fields are
// found by their Go name, then by their JSON key, as docker's inspect does.
func Object(w io.Writer, format string, object any) error {
	if format == "json" {
		return writeCompact(w, object)
	}
	tmpl, err := parse(format)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	// A label that is not there is no mistake of the template's.
	if err := tmpl.Option("missingkey=default").Execute(&out, object); err != nil {
		generic, gerr := asMap(object)
		if gerr != nil {
			return gerr
		}
		out.Reset()
		if gerr := tmpl.Option("missingkey=error").Execute(&out, generic); gerr != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "template parsing error: %w", err)
		}
	}
	out.WriteByte('\n')
	_, err = w.Write(out.Bytes())
	return err
}

func asMap(object any) (any, error) {
	raw, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var m any
	err = dec.Decode(&m)
	return m, err
}

func writeIndented(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "    ")
	return enc.Encode(v)
}

func writeCompact(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// Uses reports whether a format asks for a field by its name.
func Uses(format, name string) bool {
	tmpl, err := parse(strings.TrimPrefix(format, "table "))
	if err != nil || tmpl.Tree == nil {
		return false
	}
	return slices.Contains(strings.FieldsFunc(tmpl.Root.String(), func(r rune) bool {
		return r != '.' && !unicode.IsLetter(r)
	}), "."+name)
}
