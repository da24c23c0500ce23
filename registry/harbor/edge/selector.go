package edge

import (
	"encoding/json"
	"strings"

	"cove/registry/harbor/shape"
	"cove/registry/selector"
)

// The decorations of Harbor's selectors.
const (
	Matches      = "matches"
	Excludes     = "excludes"
	RepoMatches  = "repoMatches"
	RepoExcludes = "repoExcludes"
	// Doublestar is the kind of all of them.
	Doublestar = "doublestar"
	// ByLabel is the other kind, of labels that people put on artifacts.
	ByLabel       = "label"
	WithLabels    = "withLabels"
	WithoutLabels = "withoutLabels"
	ofRepos       = "repository"
)

func decorated(except bool, yes, no string) string {
	if except {
		return no
	}
	return yes
}

func orAll(glob string) string {
	if glob == "" {
		return "**"
	}
	return glob
}

// SelectorsOf are the two selectors of a rule in Harbor's terms.
func SelectorsOf(s selector.Selector) (tags []shape.Selector, scope map[string][]shape.Selector) {
	tags = []shape.Selector{{
		Kind: Doublestar, Decoration: decorated(s.ExceptTags, Matches, Excludes), Pattern: orAll(s.Tags),
	}}
	repositories := []shape.Selector{{
		Kind: Doublestar, Decoration: decorated(s.ExceptRepositories, RepoMatches, RepoExcludes),
		Pattern: orAll(s.Repositories),
	}}
	return tags, map[string][]shape.Selector{ofRepos: repositories}
}

// SelectorOf is what the two selectors of a rule choose. Without one of repositories it is
// all of them, as in Harbor.
func SelectorOf(tags []shape.Selector, scope map[string][]shape.Selector) (s selector.Selector, err error) {
	repositories := scope[ofRepos]
	if len(tags) != 1 || len(repositories) > 1 || len(scope) > 1 || len(scope) == 1 && repositories == nil {
		return s, Unsupported("a rule with other than one tag selector and one of repositories")
	}
	read := func(in shape.Selector, yes, no string) (glob string, except bool, err error) {
		switch {
		case in.Kind != Doublestar && in.Kind != "":
			return "", false, Unsupported("the kind %q of a selector", in.Kind)
		case in.Decoration != yes && in.Decoration != no:
			return "", false, Invalid("body: the decoration %q is neither %s nor %s", in.Decoration, yes, no)
		}
		return in.Pattern, in.Decoration == no, nil
	}
	if s.Tags, s.ExceptTags, err = read(tags[0], Matches, Excludes); err != nil || len(repositories) == 0 {
		return s, err
	}
	s.Repositories, s.ExceptRepositories, err = read(repositories[0], RepoMatches, RepoExcludes)
	return s, err
}

// LabelsOf is the selector of labels in Harbor's terms, which has no name with a comma.
func LabelsOf(names []string, except bool) shape.Selector {
	return shape.Selector{
		Kind: ByLabel, Decoration: decorated(except, WithLabels, WithoutLabels), Pattern: strings.Join(names, ","),
	}
}

// LabelsIn takes the selector of labels from the tag selectors of a rule, among which
// Harbor has it.
func LabelsIn(tags []shape.Selector) (rest []shape.Selector, names []string, except bool, err error) {
	for _, s := range tags {
		switch {
		case s.Kind != ByLabel:
			rest = append(rest, s)
		case names != nil:
			return nil, nil, false, Unsupported("a rule with more than one selector of labels")
		case s.Decoration != WithLabels && s.Decoration != WithoutLabels:
			return nil, nil, false, Invalid("body: the decoration %q is neither %s nor %s", s.Decoration,
				WithLabels, WithoutLabels)
		default:
			names, except = strings.Split(s.Pattern, ","), s.Decoration == WithoutLabels
		}
	}
	if rest == nil && names != nil {
		rest = []shape.Selector{{Kind: Doublestar, Decoration: Matches, Pattern: "**"}}
	}
	return rest, names, except, nil
}

type extras struct {
	Untagged bool `json:"untagged"`
}

// Untagged says whether a tag selector speaks of artifacts without a tag too: if nothing
// is said, one that matches does.
func Untagged(s shape.Selector) (bool, error) {
	if s.Extras == "" {
		return s.Decoration != Excludes, nil
	}
	var e extras
	if err := json.Unmarshal([]byte(s.Extras), &e); err != nil {
		return false, Invalid(`body: the extras %q of a selector are not {"untagged":true}`, s.Extras)
	}
	return e.Untagged, nil
}

// ExtrasOf says whether a selector speaks of artifacts without a tag.
func ExtrasOf(untagged bool) string {
	if untagged {
		return `{"untagged":true}`
	}
	return `{"untagged":false}`
}
