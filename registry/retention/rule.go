// Package retention removes artifacts that no rule of their project keeps. The rules
// are Harbor's: each speaks of some repositories and tags, and keeps of what it speaks
// of all, what is new enough, or the newest; what one of them keeps stays.
//
// A dry run and a run make the same plan; only the last step, the deletes, is left out.
// What a run deletes can be had back as what people delete, by package history.
package retention

import (
	"fmt"
	"slices"
	"time"

	"cove/errdefs"
	"cove/registry/selector"
)

// Template says what a rule keeps of what it speaks of.
type Template string

// The templates, by Harbor's names.
const (
	Always       Template = "always"
	Nothing      Template = "nothing"
	DaysPushed   Template = "nDaysSinceLastPush"
	DaysPulled   Template = "nDaysSinceLastPull"
	LatestPushed Template = "latestPushedK"
	LatestPulled Template = "latestPulledN"
	LatestActive Template = "latestActiveK"
)

// Templates lists them.
func Templates() []Template {
	return []Template{LatestPushed, LatestPulled, LatestActive, DaysPushed, DaysPulled, Always, Nothing}
}

// Counts says that the template takes a number: of artifacts in each repository, or
// of days.
func (t Template) Counts() bool { return t != Always && t != Nothing }

// Days says that the number is one of days.
func (t Template) Days() bool { return t == DaysPushed || t == DaysPulled }

// Rule keeps artifacts.
type Rule struct {
	selector.Selector
	Labelled
	// Untagged: it speaks of artifacts without a tag too.
	Untagged bool     `json:"untagged,omitempty"`
	Template Template `json:"template"`
	N        int      `json:"n,omitempty"`
}

// MaxRules is how many rules a project may have.
const MaxRules = 15

const mostN = 99_999

// Check refuses what is no rule, with errdefs.ErrInvalid.
func (r Rule) Check() error {
	if !slices.Contains(Templates(), r.Template) {
		return errdefs.Errorf(errdefs.ErrInvalid, "template %q: use one of %v", r.Template, Templates())
	}
	if r.Template.Counts() != (r.N > 0) || r.N > mostN || r.N < 0 {
		if r.Template.Counts() {
			return errdefs.Errorf(errdefs.ErrInvalid, "template %s takes a number from 1 to %d, not %d", r.Template,
				mostN, r.N)
		}
		return errdefs.Errorf(errdefs.ErrInvalid, "template %s takes no number", r.Template)
	}
	if err := r.chosen(); err != nil {
		return err
	}
	return r.Selector.Check()
}

// String is the rule as people read it.
func (r Rule) String() string {
	keep := string(r.Template)
	if r.Template.Counts() {
		keep = fmt.Sprintf("%s=%d", r.Template, r.N)
	}
	keep += " of " + r.Selector.String() + r.Labelled.String()
	if r.Untagged {
		return keep + " and without a tag"
	}
	return keep
}

// speaksOf says whether the rule speaks of an artifact of a repository that it speaks
// of.
func (r Rule) speaksOf(a *artifact) bool {
	if !r.chooses(a.labels) {
		return false
	}
	if len(a.tags) == 0 {
		return r.Untagged
	}
	return slices.ContainsFunc(a.tags, r.Tag)
}

// keeps marks what the rule keeps of what it speaks of, and tells the others why not.
// number is the rule's among those of the project, from 1.
func (r Rule) keeps(number int, of []*artifact, now time.Time) {
	if by := r.order(); by != nil {
		of = slices.Clone(of)
		slices.SortStableFunc(of, func(a, b *artifact) int { return by(b).Compare(by(a)) })
	}
	for i, a := range of {
		miss := Miss{Rule: number, Template: r.Template, N: r.N, Place: i + 1}
		kept := r.Template == Always || r.Template.Counts() && !r.Template.Days() && i < r.N
		if r.Template.Days() {
			at := a.pushed
			if r.Template == DaysPulled {
				at = a.pulled
			}
			miss.Place = days(now, at)
			kept = !at.IsZero() && !at.Before(now.AddDate(0, 0, -r.N))
		}
		if kept {
			a.kept = true
		} else {
			a.misses = append(a.misses, miss)
		}
	}
}

// days is how long ago something was; -1 if it never was.
func days(now, at time.Time) int {
	if at.IsZero() {
		return -1
	}
	return int(now.Sub(at) / (24 * time.Hour))
}

// order is by what the rule sorts, nil if it does not.
func (r Rule) order() func(*artifact) time.Time {
	switch r.Template {
	case LatestPushed:
		return func(a *artifact) time.Time { return a.pushed }
	case LatestPulled:
		return func(a *artifact) time.Time { return a.pulled }
	case LatestActive:
		return func(a *artifact) time.Time {
			if a.pulled.After(a.pushed) {
				return a.pulled
			}
			return a.pushed
		}
	}
	return nil
}

// Miss is why a rule that speaks of an artifact does not keep it.
type Miss struct {
	Rule     int // its number among those of the project, from 1
	Template Template
	N        int
	// Place is where the artifact stands in the order of the rule, from 1, or how many
	// days ago it was pushed or pulled; -1 never.
	Place int
}

// String says it in words.
func (m Miss) String() string {
	switch {
	case m.Template == Nothing:
		return fmt.Sprintf("rule %d keeps nothing", m.Rule)
	case m.Template.Days() && m.Place < 0:
		return fmt.Sprintf("rule %d: never pulled", m.Rule)
	case m.Template == DaysPulled:
		return fmt.Sprintf("rule %d: pulled %d days ago, keeps %d", m.Rule, m.Place, m.N)
	case m.Template == DaysPushed:
		return fmt.Sprintf("rule %d: pushed %d days ago, keeps %d", m.Rule, m.Place, m.N)
	}
	return fmt.Sprintf("rule %d: number %d of %s, keeps %d", m.Rule, m.Place, m.Template, m.N)
}
