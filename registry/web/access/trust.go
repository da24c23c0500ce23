package access

import (
	"maps"
	"slices"
	"strings"
	"time"

	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/identity/jwt"
	"cove/registry/robots"
	"cove/registry/trust"
	"cove/registry/web/page"
	"cove/registry/web/view"
)

// trustRows are the routes of the pages on rules that take tokens of other issuers: those
// of a project, and the same on those of the registry.
func (p *Pages) trustRows() []page.Row {
	return append(
		p.trustRowsOf("/projects/{project}/trust", "project", [4]auth.Right{
			auth.ListRobots, auth.CreateRobots, auth.ChangeRobots, auth.RemoveRobots,
		}),
		p.trustRowsOf("/trust", "users", [4]auth.Right{
			auth.ManageUsers, auth.ManageUsers, auth.ManageUsers, auth.ManageUsers,
		})...,
	)
}

func (p *Pages) trustRowsOf(path, object string, takes [4]auth.Right) []page.Row {
	get, post := page.Get, page.Post
	return []page.Row{
		get(path, takes[0], object, p.trustRules),
		post(path, takes[1], object, p.trustCreate),
		post(path+"/check", takes[0], object, p.trustCheck),
		get(path+"/{rule}", takes[0], object, p.trustRule),
		post(path+"/{rule}/change", takes[2], object, p.trustChange),
		post(path+"/{rule}/switch", takes[2], object, p.trustSwitch),
		post(path+"/{rule}/remove", takes[3], object, p.trustRemove),
	}
}

// ruleForm is a rule as its form has it.
type ruleForm struct {
	URL                       string // that the form is sent to
	Name, Description         string
	Issuer, Audience, Claims  string
	CA, KeySet, Repositories  string
	Words                     []string // that are to choose from
	Chosen                    map[string]bool
	Others                    string // rights that no word stands for
	Until                     string // the last day; "" is never
	New, Registry, MayNotSend bool
	Version                   string // of a rule that is there
}

// ruleWords are the rights that have a box of their own.
func ruleWords() []string { return []string{"pull", "push", "delete", "read"} }

// sent is a form as it was filled in.
func (f ruleForm) sent(a *page.Ask) ruleForm {
	get := a.PostForm.Get
	f.Description, f.Issuer, f.Audience = get("description"), get("issuer"), get("audience")
	f.Claims, f.CA, f.KeySet, f.Repositories = get("claims"), get("ca"), get("keys"), get("repositories")
	f.Others, f.Until, f.Chosen = get("others"), get("until"), map[string]bool{}
	for _, word := range a.PostForm["right"] {
		f.Chosen[word] = true
	}
	return f
}

// filled is the form of a rule as it is.
func (f ruleForm) filled(r trust.Rule) ruleForm {
	f.Name, f.Description, f.Issuer, f.Audience = r.Short(), r.Description, r.Issuer, r.Audience
	f.CA, f.KeySet, f.Claims = r.CA, r.KeySet, strings.Join(claimLines(r.Claims), "\n")
	if repositories := r.Repositories(); !slices.Equal(repositories, []string{rights.Everywhere}) {
		f.Repositories = strings.Join(repositories, " ")
	}
	f.Chosen, f.Others = chosen(r.Rights())
	if !r.ExpiresAt.IsZero() {
		f.Until = lastDay(r.ExpiresAt)
	}
	return f
}

// chosen says rights in the words that have a box, and those that are left over.
func chosen(words []string) (boxes map[string]bool, others string) {
	has, covered := rights.Set{}, rights.Set{}
	for _, word := range words {
		has[rights.Right(word)] = true
	}
	boxes = map[string]bool{}
	for _, word := range ruleWords() {
		set, err := rights.Parse(word)
		if err != nil {
			continue
		}
		if _, all := has.Has(set); all {
			boxes[word] = true
			maps.Copy(covered, set)
		}
	}
	var left []string
	for _, word := range words {
		if !covered[rights.Right(word)] {
			left = append(left, word)
		}
	}
	return boxes, strings.Join(left, " ")
}

// claimLines are claims as the form has them, NAME=GLOB, a line for each.
func claimLines(claims jwt.Conditions) (lines []string) {
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		for _, glob := range claims[name] {
			lines = append(lines, name+"="+glob)
		}
	}
	return lines
}

func claimsOf(text string) (jwt.Conditions, error) {
	claims := jwt.Conditions{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, glob, ok := strings.Cut(line, "=")
		if !ok || name == "" || glob == "" {
			return nil, page.Invalid("%q is no claim: write NAME=VALUE on a line of its own, as repository=octo/app", line)
		}
		claims[name] = append(claims[name], glob)
	}
	return claims, nil
}

const dayForm = time.DateOnly

// lastDay is the last day, in UTC, of which some moment is before the end.
func lastDay(end time.Time) string { return end.Add(-time.Nanosecond).UTC().Format(dayForm) }

// endOf is when a day ends that a form names. One that was not changed ends when it did.
func endOf(day string, was time.Time) (time.Time, error) {
	switch {
	case day == "":
		return time.Time{}, nil
	case !was.IsZero() && day == lastDay(was):
		return was, nil
	}
	at, err := time.Parse(dayForm, day)
	if err != nil {
		return at, page.Invalid("%q is no day: write it as 2027-01-31", day)
	}
	return at.AddDate(0, 0, 1), nil
}

// spec is what a form asks for; was is the rule as it is.
func (f ruleForm) spec(project, name string, was trust.Rule) (s trust.Spec, err error) {
	s.Project, s.Name, s.Description = project, name, strings.TrimSpace(f.Description)
	s.Issuer, s.Audience = strings.TrimSpace(f.Issuer), strings.TrimSpace(f.Audience)
	// Browsers send the lines of a text with CR LF.
	s.CA, s.KeySet = unixLines(f.CA), unixLines(f.KeySet)
	s.Repositories = strings.Fields(f.Repositories)
	s.Rights = append(slices.Sorted(maps.Keys(f.Chosen)), strings.Fields(f.Others)...)
	if s.Claims, err = claimsOf(f.Claims); err != nil {
		return s, err
	}
	s.ExpiresAt, err = endOf(f.Until, was.ExpiresAt)
	return s, err
}

func unixLines(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	if strings.TrimSpace(text) == "" {
		return ""
	}
	return text
}

type trustData struct {
	*page.Place
	Rules                           []trust.Rule
	Form                            ruleForm
	URL, More                       string
	MayCreate, MayChange, MayRemove bool
	Checked                         bool // a token was
	Findings                        []trust.Finding
	Now                             time.Time
}

// Ended says whether a rule has come to its end.
func (d trustData) Ended(r trust.Rule) bool { return r.Expired(d.Now) }

// Lines are the claims of a rule as its form has them.
func (trustData) Lines(r trust.Rule) []string { return claimLines(r.Claims) }

// trustURL is the page that a request is about.
func trustURL(a *page.Ask) string {
	if project := a.PathValue("project"); project != "" {
		return "/projects/" + project + "/trust"
	}
	return "/trust"
}

// trustFrame is what the list and the page of one rule have in common.
func (p *Pages) trustFrame(a *page.Ask) (*view.Page, *trustData, error) {
	project := a.PathValue("project")
	d := &trustData{URL: trustURL(a), MayCreate: true, MayChange: true, MayRemove: true, Now: p.Now()}
	d.Form = ruleForm{URL: d.URL, New: true, Registry: project == "", Audience: p.Base(a), Words: ruleWords()}
	pg := &view.Page{Name: "system-trust", Section: "robots", Title: a.Language.Text("trust.title"), Data: d}
	if project == "" {
		return pg, d, nil
	}
	var err error
	if d.Place, err = p.Place(a); err != nil {
		return nil, nil, err
	}
	may := func(right auth.Right) bool { return p.Browse.May(a.Context(), a.Caller, right, project) }
	d.MayCreate, d.MayChange, d.MayRemove = may(auth.CreateRobots), may(auth.ChangeRobots), may(auth.RemoveRobots)
	pg.Name, pg.Section, pg.Title = "trust", "projects", pg.Title+" · "+project
	return pg, d, nil
}

func (p *Pages) trustRules(a *page.Ask) error {
	pg, err := p.trustPage(a)
	if err != nil {
		return err
	}
	return p.Show(a, 200, pg)
}

func (p *Pages) trustPage(a *page.Ask) (*view.Page, error) {
	pg, d, err := p.trustFrame(a)
	if err != nil {
		return nil, err
	}
	if a.PostForm.Has("issuer") {
		d.Form = d.Form.sent(a)
		d.Form.Name = a.PostForm.Get("name")
	}
	found, more, err := p.cfg.Trust.List(a.Context(), a.Caller, robots.Query{
		Project: a.PathValue("project"), Last: page.Bounded(a.FormValue("after")), N: page.PerPage,
	})
	d.Rules = found
	if more {
		d.More = page.NextPage(d.URL, "", found[len(found)-1].Name)
	}
	return pg, err
}

func (p *Pages) trustRule(a *page.Ask) error {
	pg, err := p.trustRulePage(a)
	if err != nil {
		return err
	}
	return p.Show(a, 200, pg)
}

func (p *Pages) trustRulePage(a *page.Ask) (*view.Page, error) {
	pg, d, err := p.trustFrame(a)
	if err != nil {
		return nil, err
	}
	rule, err := p.cfg.Trust.Find(a.Context(), a.Caller, ruleNamed(a))
	if err != nil {
		return nil, err
	}
	d.Form.New, d.Form.MayNotSend, d.Form.URL = false, !d.MayChange, d.URL+"/"+rule.Short()
	d.Form = d.Form.filled(rule)
	if d.Form.Version, err = page.Version(ruleForm{}.filled(rule)); err != nil {
		return nil, err
	}
	if a.PostForm.Has("issuer") {
		d.Form = d.Form.sent(a)
	}
	d.Rules = []trust.Rule{rule}
	pg.Name, pg.Title = "trust-rule", rule.Name
	return pg, nil
}

// ruleNamed is the full name of the rule that a request is about.
func ruleNamed(a *page.Ask) string {
	return trust.FullName(a.PathValue("project"), a.PathValue("rule"))
}

// trustDone ends a form of the list of rules.
func (p *Pages) trustDone(a *page.Ask, err error, text string) error {
	if is, err := p.again(a, err, p.trustPage); is || err != nil {
		return err
	}
	return p.Done(a, trustURL(a), view.Notice{Text: text})
}

func (p *Pages) trustCreate(a *page.Ask) error {
	name := a.PostForm.Get("name")
	spec, err := ruleForm{}.sent(a).spec(a.PathValue("project"), name, trust.Rule{})
	if err == nil {
		_, err = p.cfg.Trust.Create(a.Context(), a.Caller, spec)
	}
	return p.trustDone(a, err, a.Language.Text("trust.created", trust.FullName(spec.Project, name)))
}

func (p *Pages) trustChange(a *page.Ask) error {
	was, err := p.cfg.Trust.Find(a.Context(), a.Caller, ruleNamed(a))
	if err != nil {
		return err
	}
	spec, err := ruleForm{}.sent(a).spec(a.PathValue("project"), was.Short(), was)
	if err == nil {
		_, err = p.cfg.Trust.Set(a.Context(), a.Caller, spec, was.Disabled, func(now trust.Rule) error {
			return a.Unchanged(ruleForm{}.filled(now))
		})
	}
	if is, err := p.again(a, err, p.trustRulePage); is || err != nil {
		return err
	}
	return p.Done(a, trustURL(a)+"/"+was.Short(), view.Notice{Text: a.Language.Text("trust.changed", was.Name)})
}

func (p *Pages) trustSwitch(a *page.Ask) error {
	disabled := a.PostForm.Get("disabled") == "1"
	key := map[bool]string{true: "trust.disabled", false: "trust.enabled"}[disabled]
	err := p.cfg.Trust.Disable(a.Context(), a.Caller, ruleNamed(a), disabled)
	return p.trustDone(a, err, a.Language.Text(key, ruleNamed(a)))
}

func (p *Pages) trustRemove(a *page.Ask) error {
	err := p.cfg.Trust.Remove(a.Context(), a.Caller, ruleNamed(a))
	return p.trustDone(a, err, a.Language.Text("robots.removed", ruleNamed(a)))
}

// trustCheck shows what each rule makes of a token, which goes no further than that.
func (p *Pages) trustCheck(a *page.Ask) error {
	pg, err := p.trustPage(a)
	if err != nil {
		return err
	}
	token := strings.TrimSpace(a.PostForm.Get("token"))
	found, err := p.cfg.Trust.Check(a.Context(), a.Caller, a.PathValue("project"), token)
	if err != nil {
		return err
	}
	if d, ok := pg.Data.(*trustData); ok {
		d.Checked, d.Findings = true, found
	}
	return p.Show(a, 200, pg)
}
