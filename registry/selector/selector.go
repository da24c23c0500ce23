// Package selector says of which repositories and tags of a project a rule speaks,
// in the globs that Harbor has: "*" is any text within a part of a name, "**" any
// parts, "?" one character, "{a,b}" either.
package selector

import "cove/errdefs"

// Selector chooses tags. The zero value chooses all.
type Selector struct {
	Repositories       string `json:"repositories"` // within the project; "" is **
	ExceptRepositories bool   `json:"exceptRepositories,omitempty"`
	Tags               string `json:"tags"` // "" is **
	ExceptTags         bool   `json:"exceptTags,omitempty"`
}

const longest = 256

// Check refuses what is no glob.
func (s Selector) Check() error {
	for what, glob := range map[string]string{"repositories": s.Repositories, "tags": s.Tags} {
		if len(glob) > longest || !Valid(glob) {
			return errdefs.Errorf(errdefs.ErrInvalid,
				`%s %q: use a glob, as "release-*", "**" or "{v1,v2}*", of at most %d characters, `+
					`whose braces stand for at most %d texts`, what, glob, longest, most)
		}
		if list := comma(glob); list {
			return errdefs.Errorf(errdefs.ErrInvalid,
				`%s %q: no name has a comma, so this would choose nothing; write {%s} for each of these`,
				what, glob, glob)
		}
	}
	return nil
}

// comma says whether a glob has a comma outside of braces and brackets.
func comma(glob string) bool {
	depth := 0
	for i := 0; i < len(glob); i++ {
		switch glob[i] {
		case '\\':
			i++
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',':
			if depth <= 0 {
				return true
			}
		}
	}
	return false
}

// Repository says whether the rule speaks of a repository, by its name within the
// project.
func (s Selector) Repository(name string) bool {
	return matches(s.Repositories, name) != s.ExceptRepositories
}

// Tag says whether the rule speaks of a tag.
func (s Selector) Tag(name string) bool { return matches(s.Tags, name) != s.ExceptTags }

func matches(glob, name string) bool {
	if glob == "" || glob == "**" {
		return true
	}
	return Match(glob, name)
}

// String is the selector as people read it.
func (s Selector) String() string {
	return "repositories " + part(s.ExceptRepositories, s.Repositories) + ", tags " + part(s.ExceptTags, s.Tags)
}

func part(except bool, glob string) string {
	if glob == "" {
		glob = "**"
	}
	if except {
		return "except " + glob
	}
	return glob
}
