// Package buildflags says what the values of build's flags mean, and looks up what they
// name: files, variables, agents.
package buildflags

import (
	"cmp"
	"fmt"
	"os"
	"strings"

	"cove/errdefs"
)

// Secrets reads the values of --secret, by their ids.
func Secrets(flags []string) (map[string][]byte, error) {
	secrets := make(map[string][]byte, len(flags))
	for _, f := range flags {
		id, value, err := readSecret(f)
		if err != nil {
			return nil, fmt.Errorf("--secret %s: %w", f, err)
		}
		secrets[id] = value
	}
	return secrets, nil
}

// readSecret reads id=ID,src=FILE or id=ID,env=VARIABLE. Without either, the
// variable of the id's name is taken, or else the file. As with docker, type=file
// or type=env says which of the two src names.
func readSecret(flag string) (id string, value []byte, err error) {
	var kind, src, env string
	keys := map[string]*string{"id": &id, "type": &kind, "src": &src, "source": &src, "env": &env}
	for _, field := range strings.Split(flag, ",") {
		k, v, _ := strings.Cut(field, "=")
		to, ok := keys[k]
		switch {
		case !ok:
			return "", nil, errdefs.Errorf(errdefs.ErrInvalid, "unknown key %q: want id=ID[,src=FILE|,env=VARIABLE]", k)
		case v == "":
			return "", nil, errdefs.Errorf(errdefs.ErrInvalid, "%s has no value", k)
		case *to != "":
			return "", nil, errdefs.Errorf(errdefs.ErrInvalid, "%s is given twice", k)
		}
		*to = v
	}
	switch {
	case id == "":
		return "", nil, errdefs.Errorf(errdefs.ErrInvalid, "no id: want id=ID[,src=FILE|,env=VARIABLE]")
	case src != "" && env != "":
		return "", nil, errdefs.Errorf(errdefs.ErrInvalid, "both a file and a variable: give one of them")
	case kind != "" && kind != "file" && kind != "env":
		return "", nil, errdefs.Errorf(errdefs.ErrInvalid, "type %q: want file or env", kind)
	case kind == "file" && env != "":
		return "", nil, errdefs.Errorf(errdefs.ErrInvalid, "type=file takes its file from src, not env")
	case kind == "env" && env == "":
		src, env = "", cmp.Or(src, id)
	case src == "" && env == "":
		if _, ok := os.LookupEnv(id); ok && kind != "file" {
			env = id
		} else {
			src = id
		}
	}
	if env != "" {
		text, ok := os.LookupEnv(env)
		if !ok {
			return "", nil, errdefs.Errorf(errdefs.ErrNotFound, "the variable %s is not set", env)
		}
		return id, []byte(text), nil
	}
	if value, err = os.ReadFile(src); err != nil {
		return "", nil, errdefs.Errorf(errdefs.ErrNotFound, "%w", err)
	}
	return id, value, nil
}
