package parse

import (
	"path"
	"strings"

	"cove/errdefs"
)

// FilesAllowed turns paths, each PATH[:ro|rw], into the annotation that has a
// container open those files alone (plan.FilesAllowed). Without a mode they are only read.
func FilesAllowed(texts []string) (string, error) {
	var b strings.Builder
	for _, text := range texts {
		name, mode := text, "ro"
		for _, m := range []string{"ro", "rw"} {
			if before, ok := strings.CutSuffix(text, ":"+m); ok {
				name, mode = before, m
			}
		}
		if !path.IsAbs(name) || strings.Contains(name, "\n") {
			return "", errdefs.Errorf(errdefs.ErrInvalid,
				"files allowed %q: want PATH[:ro|rw], an absolute path of the container's", text)
		}
		b.WriteString(mode + " " + name + "\n")
	}
	return b.String(), nil
}
