package rename

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"cove/errdefs"
	"cove/registry/auth/rights"
	"cove/registry/db"
	"cove/registry/immutable"
	"cove/registry/labels"
	"cove/registry/replication/choice"
	"cove/registry/retention"
	"cove/registry/selector"
)

// follow has what names the repository, or the project, say its new name. What speaks of it
// by a glob is left as it is, and noted when it speaks of it no more.
func (m *move) follow(ctx context.Context) error {
	steps := []func(context.Context) error{m.everywhere, m.replications}
	if m.Project() {
		steps = append(steps, m.work)
	} else {
		steps = append(steps, m.immutable, m.retentions, m.members, m.labels)
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (m *move) note(format string, args ...any) {
	m.notes = append(m.notes, fmt.Sprintf(format, args...))
}

// named is a glob over full names with the new name in it, if the old one stands there
// without any glob.
func (m *move) named(glob string) (string, bool) {
	if glob == m.From {
		return m.To, true
	}
	if rest, ok := strings.CutPrefix(glob, m.From+"/"); ok && m.Project() {
		return m.To + "/" + rest, true
	}
	return glob, false
}

// everywhere has rights in all projects, and those of access tokens, follow, where they are
// of this repository or project alone.
func (m *move) everywhere(ctx context.Context) error {
	type row struct {
		id   int64
		text string
	}
	grants, err := db.All(ctx, m.tx.Querier(), db.ScanString, `SELECT DISTINCT repositories FROM memberships
		WHERE project_id = 0 AND repositories LIKE $1 ESCAPE '\'`, rights.Like(m.From)+"%")
	if err != nil {
		return err
	}
	for _, glob := range grants {
		if now, ok := m.named(glob); ok {
			if err := m.regrant(ctx, 0, glob, now); err != nil {
				return err
			}
		}
	}
	tokens, err := db.All(ctx, m.tx.Querier(), func(s db.Scanner) (r row, err error) {
		return r, s.Scan(&r.id, &r.text)
	}, `SELECT id, repositories FROM access_tokens WHERE repositories LIKE $1 ESCAPE '\'`, rights.Like(m.From)+"%")
	if err != nil {
		return err
	}
	for _, t := range tokens {
		now, ok := m.named(t.text)
		if !ok {
			continue
		}
		const set = "UPDATE access_tokens SET repositories = $2 WHERE id = $1"
		if _, err := m.tx.Tx.Exec(ctx, set, t.id, now); err != nil {
			return db.Unavailable(err)
		}
	}
	return nil
}

// regrant has memberships be of other repositories. Who has something there already keeps
// both.
func (m *move) regrant(ctx context.Context, project int64, glob, now string) error {
	_, err := m.tx.Tx.Exec(ctx, `UPDATE memberships SET repositories = $3, matching = $4,
			listed = CASE listed WHEN '' THEN '' ELSE SUBSTR(listed, 1, LENGTH(listed) - LENGTH(repositories)) || $3 END
		WHERE project_id = $1 AND repositories = $2 AND NOT EXISTS (SELECT 1 FROM memberships o
			WHERE o.project_id = memberships.project_id AND o.user_id = memberships.user_id
			AND o.group_id = memberships.group_id AND o.repositories = $3)`,
		project, glob, now, rights.Like(now))
	return db.Unavailable(err)
}

// short is a full name within its project.
func short(repo string) string {
	_, name, _ := strings.Cut(repo, "/")
	return name
}

// members has the rights of members and robots that are of this repository alone follow
// within the project. In another project nobody has any by what he had here.
func (m *move) members(ctx context.Context) error {
	if m.from.ID == m.to.ID {
		return m.regrant(ctx, m.from.ID, short(m.From), short(m.To))
	}
	lost, err := db.All(ctx, m.tx.Querier(), db.ScanString, `SELECT COALESCE(u.name, g.name, '') FROM memberships m
		LEFT JOIN users u ON u.id = m.user_id LEFT JOIN user_groups g ON g.id = m.group_id
		WHERE m.project_id = $1 AND m.repositories = $2 ORDER BY 1`, m.from.ID, short(m.From))
	if err == nil && len(lost) > 0 {
		m.note("had rights in this repository alone, in project %q, and has none in project %q: %s", m.from.Name, m.to.Name,
			strings.Join(lost, ", "))
	}
	return err
}

// labels has artifacts keep those that the project they come to has too.
func (m *move) labels(ctx context.Context) error {
	lost, err := labels.Follow(ctx, m.tx, m.owner.Repository, m.from.ID, m.to.ID)
	if err == nil && len(lost) > 0 {
		m.note("labels of project %q that project %q has not are on its artifacts no more: %s", m.from.Name, m.to.Name,
			strings.Join(lost, ", "))
	}
	return err
}

// renamed is a selector over names within the project that says the new name where it said
// the old one.
func (m *move) renamed(s selector.Selector) (selector.Selector, bool) {
	if s.Repositories != short(m.From) || m.from.ID != m.to.ID {
		return s, false
	}
	s.Repositories = short(m.To)
	return s, true
}

// immutable refuses to let go of tags that a rule keeps where they are.
func (m *move) immutable(ctx context.Context) error {
	old, err := immutable.Of(ctx, m.tx.Querier(), m.from.Name)
	if err != nil || len(old) == 0 {
		return err
	}
	for _, rule := range old {
		s, changed := m.renamed(rule.Selector)
		if !changed {
			continue
		}
		if err := m.write(ctx, "immutable_rules", "selector", rule.ID, s); err != nil {
			return err
		}
	}
	now, err := immutable.Of(ctx, m.tx.Querier(), m.to.Name)
	if err != nil {
		return err
	}
	tags, err := allTags(ctx, m.tx, m.owner.Repository)
	if err != nil {
		return err
	}
	for _, tag := range tags {
		if keeps(old, short(m.From), tag) && !keeps(now, short(m.To), tag) {
			return errdefs.Errorf(errdefs.ErrConflict,
				"tag %s of %s is immutable, and no rule of project %q would keep it as %s: add one there first", tag, m.From,
				m.to.Name, m.To)
		}
	}
	return nil
}

func keeps(rules []immutable.Rule, repo, tag string) bool {
	for _, r := range rules {
		if r.Repository(repo) && r.Tag(tag) {
			return true
		}
	}
	return false
}

// write replaces the JSON of a rule.
func (m *move) write(ctx context.Context, table, column string, id int64, rule any) error {
	text, err := json.Marshal(rule)
	if err != nil {
		return err
	}
	_, err = m.tx.Tx.Exec(ctx, "UPDATE "+table+" SET "+column+" = $2 WHERE id = $1", id, string(text))
	return db.Unavailable(err)
}

// retentions has the rules of retention follow, and notes those that keep nothing of the
// repository any more, or begin to speak of it.
func (m *move) retentions(ctx context.Context) error {
	rules, err := retention.Of(ctx, m.tx.Querier(), m.from.Name)
	if err != nil {
		return err
	}
	for _, k := range rules {
		s, changed := m.renamed(k.Selector)
		switch {
		case changed:
			k.Selector = s
			if err := m.write(ctx, "retention_rules", "rule", k.ID, k.Rule); err != nil {
				return err
			}
		case k.Repository(short(m.From)) && (m.from.ID != m.to.ID || !k.Repository(short(m.To))):
			m.note("a retention rule of project %q does not speak of it any more: %s", m.from.Name, k.Rule)
		}
	}
	if m.from.ID == m.to.ID {
		return nil
	}
	there, err := retention.Of(ctx, m.tx.Querier(), m.to.Name)
	for _, k := range there {
		if k.Repository(short(m.To)) {
			m.note("a retention rule of project %q speaks of it now: %s", m.to.Name, k.Rule)
		}
	}
	return err
}

// replications has the rules of replication follow that name the repository or the project.
func (m *move) replications(ctx context.Context) error {
	type row struct {
		id         int64
		name, text string
	}
	rules, err := db.All(ctx, m.tx.Querier(), func(s db.Scanner) (r row, err error) {
		return r, s.Scan(&r.id, &r.name, &r.text)
	}, "SELECT id, name, settings FROM replication_rules ORDER BY name")
	if err != nil {
		return err
	}
	for _, r := range rules {
		var o choice.Options
		if err := json.Unmarshal([]byte(r.text), &o); err != nil {
			return fmt.Errorf("replication rule %s: %w", r.name, err)
		}
		before, changed := o, false
		if o.Direction == choice.Push {
			o.Filter.Repositories, changed = m.named(o.Filter.Repositories)
		} else {
			o.Namespace, changed = m.named(o.Namespace)
		}
		if changed {
			if err := m.write(ctx, "replication_rules", "settings", r.id, o); err != nil {
				return err
			}
			continue
		}
		if o.Direction == choice.Push && m.left(before.Filter) {
			m.note("replication rule %q does not choose it any more: repositories %s", r.name, o.Filter.Repositories)
		}
	}
	_, err = m.tx.Tx.Exec(ctx, `UPDATE replication_pending SET repository = CAST($2 AS TEXT) || substr(repository, $3)
		WHERE repository = $1 OR $4 = 1 AND repository LIKE $5 ESCAPE '\'`, m.From, m.To, len(m.From)+1,
		db.Number(m.Project()), rights.Like(m.From)+"/%")
	return db.Unavailable(err)
}

// left says that a selector chose something by the old name that it does not by the new.
func (m *move) left(s selector.Selector) bool {
	for _, p := range m.repos {
		if s.Repository(p.from) && !s.Repository(p.to) {
			return true
		}
	}
	return false
}

// work has jobs and schedules follow their project, and what is known of pulls through it
// when it is a proxy.
func (m *move) work(ctx context.Context) error {
	for _, stmt := range []string{
		`UPDATE schedules SET project = $2, subject = CASE WHEN subject = $1 THEN $2 ELSE subject END WHERE project = $1`,
		`UPDATE jobs SET project = $2, subject = CASE WHEN subject = $1 THEN $2 ELSE subject END WHERE project = $1`,
	} {
		if _, err := m.tx.Tx.Exec(ctx, stmt, m.From, m.To); err != nil {
			return db.Unavailable(err)
		}
	}
	_, err := m.tx.Tx.Exec(ctx, `UPDATE proxy_pulls SET repository = CAST($2 AS TEXT) || substr(repository, $3)
		WHERE project_id = $1 AND repository LIKE $4 ESCAPE '\'`, m.from.ID, m.To, len(m.From)+1,
		rights.Like(m.From)+"/%")
	return db.Unavailable(err)
}
