package definition

import (
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"cove/errdefs"
)

// Override changes targets after the files are read: what --set says, and the flags
// that stand for one.
type Override struct {
	// Pattern says which targets, as "app-*".
	Pattern string
	// Key is an attribute, as "tags" or "args.VERSION".
	Key, Value string
	// Append adds to a list, instead of replacing it.
	Append bool
}

func (o Override) String() string {
	if o.Append {
		return o.Pattern + "." + o.Key + "+=" + o.Value
	}
	return o.Pattern + "." + o.Key + "=" + o.Value
}

// ParseOverride reads PATTERN.KEY[.NAME]=VALUE, or with += for = what is added to a list; a
// build argument without a value takes that of the environment, and has none where that has
// none.
func ParseOverride(text string, env Environment) (o Override, ok bool, err error) {
	left, value, given := strings.Cut(text, "=")
	left, added := strings.CutSuffix(left, "+")
	pattern, key, dotted := strings.Cut(left, ".")
	if !dotted || pattern == "" || key == "" {
		return o, false, errdefs.Errorf(errdefs.ErrInvalid, "--set %q: want TARGET.KEY=VALUE", text)
	}
	if name, isArg := strings.CutPrefix(key, "args."); isArg && !given {
		if value, given = env.Lookup(name); !given {
			return o, false, nil
		}
	}
	if !given {
		return o, false, errdefs.Errorf(errdefs.ErrInvalid, "--set %q: want TARGET.KEY=VALUE", text)
	}
	return Override{Pattern: pattern, Key: key, Value: value, Append: added && given}, true, nil
}

// Plan is what to build.
type Plan struct {
	Groups  map[string]*Group  `json:"group,omitempty"`
	Targets map[string]*Target `json:"target"`
}

// literal keeps what looks like an expression from being one where the plan is read as a
// bake file.
var literal = strings.NewReplacer("${", "$${", "%{", "%%{")

// JSON is the plan as buildx prints it: a bake file of the same meaning.
func (p *Plan) JSON() ([]byte, error) {
	text, err := json.MarshalIndent(p, "", "  ")
	return []byte(literal.Replace(string(text))), err
}

// Resolve finds what names mean: the targets, those of groups, and those that they
// build on, with what they inherit and the overrides.
func (d *Definition) Resolve(names []string, overrides []Override) (*Plan, error) {
	if len(names) == 0 {
		names = []string{"default"}
	}
	r := &resolution{Definition: d, plan: &Plan{Groups: map[string]*Group{}, Targets: map[string]*Target{}}}
	if err := r.override(overrides); err != nil {
		return nil, err
	}
	asked := &Group{Name: "default"}
	for _, name := range names {
		name = TargetName(name)
		if err := r.want(name, nil); err != nil {
			return nil, err
		}
		if name != "default" || d.group(name) == nil {
			asked.Targets = append(asked.Targets, name)
		}
	}
	if g := r.plan.Groups["default"]; g != nil {
		asked.Targets = append(slices.Clone(g.Targets), asked.Targets...)
	}
	slices.Sort(asked.Targets)
	asked.Targets = slices.Compact(asked.Targets)
	r.plan.Groups["default"] = asked
	for _, name := range r.order {
		if err := r.link(name, nil); err != nil {
			return nil, err
		}
	}
	return r.plan, nil
}

// resolution is one Resolve.
type resolution struct {
	*Definition
	plan      *Plan
	order     []string // the targets that were asked for
	overrides map[string][]Override
}

// override sorts the overrides by target.
func (r *resolution) override(all []Override) error {
	r.overrides = map[string][]Override{}
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b Override) int { // what replaces goes before what adds
		switch {
		case a.Append == b.Append:
			return 0
		case a.Append:
			return 1
		}
		return -1
	})
	for _, o := range all {
		names, err := r.match(o.Pattern)
		if err != nil {
			return errdefs.Errorf(errdefs.KindOf(err), "--set %s: %w", o, err)
		}
		for _, name := range names {
			r.overrides[name] = append(r.overrides[name], o)
		}
	}
	return nil
}

// want adds a target, or the targets of a group, to the plan.
func (r *resolution) want(name string, above []string) error {
	g := r.group(name)
	if slices.Contains(above, name) && r.target(name) == nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "group %s has itself: %s", name,
			strings.Join(append(above, name), " → "))
	}
	if g == nil || slices.Contains(above, name) { // a group may have a target of its name
		if slices.Contains(r.order, name) {
			return nil
		}
		t, err := r.resolve(name, nil)
		if err != nil {
			return err
		}
		r.plan.Targets[name] = t
		r.order = append(r.order, name)
		return nil
	}
	r.plan.Groups[name] = g
	for _, t := range g.Targets {
		if err := r.want(t, append(above, name)); err != nil {
			return err
		}
	}
	return nil
}

// resolve completes a target by what it inherits and by its overrides.
func (r *resolution) resolve(name string, above []string) (*Target, error) {
	t, err := r.inherit(name, above)
	if err != nil {
		return nil, err
	}
	t.Inherits = nil
	if t.Context == nil {
		t.Context = ptr(".")
	}
	if t.Dockerfile == nil {
		t.Dockerfile = ptr("Dockerfile")
	}
	return t, nil
}

func (r *resolution) inherit(name string, above []string) (*Target, error) {
	own := r.target(name)
	if own == nil {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "there is no target %q; there are: %s", name, r.names())
	}
	if slices.Contains(above, name) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "target %s inherits from itself: %s", name,
			strings.Join(append(above, name), " → "))
	}
	t := &Target{Name: name}
	for _, from := range own.Inherits {
		parent, err := r.inherit(from, append(above, name))
		if err != nil {
			return nil, err
		}
		t.Merge(parent)
	}
	t.Merge(own)
	for _, o := range r.overrides[name] {
		if err := t.override(o, r.overrides[name]); err != nil {
			return nil, errdefs.Errorf(errdefs.KindOf(err), "--set %s: %w", o, err)
		}
	}
	t.normalize()
	return t, nil
}

// TargetPrefix begins a context that is another target.
const TargetPrefix = "target:"

// link adds the targets that one builds on, whose images go nowhere.
func (r *resolution) link(name string, above []string) error {
	if slices.Contains(above, name) {
		return errdefs.Errorf(errdefs.ErrInvalid, "target %s builds on itself: %s", name,
			strings.Join(append(above, name), " → "))
	}
	t := r.plan.Targets[name]
	for _, value := range t.Contexts {
		on, ok := strings.CutPrefix(value, TargetPrefix)
		if !ok {
			continue
		}
		other := r.plan.Targets[on]
		if other == nil {
			var err error
			if other, err = r.resolve(on, nil); err != nil {
				return err
			}
			other.Outputs = []Entry{NewEntry("type", "cacheonly")}
			r.plan.Targets[on] = other
		}
		if err := r.link(on, append(above, name)); err != nil {
			return err
		}
		t.Entitlements = Unique(append(t.Entitlements, other.Entitlements...))
	}
	return nil
}

// override sets one attribute; all are the overrides of the target, of which those
// of one list together replace it.
func (t *Target) override(o Override, all []Override) error {
	key, name, _ := strings.Cut(o.Key, ".")
	switch key {
	case "platform":
		key = "platforms"
	case "secrets":
		key = "secret"
	}
	if o.Append {
		return t.add(key, o.Value)
	}
	if in, ok := Lists[key]; ok && key != "inherits" {
		if key == "entitlements" || key == "annotations" {
			*in(t) = append(slices.Clone(*in(t)), o.Value)
		} else {
			*in(t) = valuesOf(all, o.Key)
		}
		return nil
	}
	if of, ok := Entries[key]; ok {
		given, err := ParseEntries(of.Kind, valuesOf(all, o.Key))
		if key == "attest" {
			given = mergeEntries(t.Attest, given, func(e Entry) string { return e.Get("type") })
		}
		*of.In(t) = given
		return err
	}
	if in, ok := Words[key]; ok {
		*in(t) = &o.Value
		return nil
	}
	if in, ok := Maps[key]; ok && name != "" {
		*in(t) = mergeMap(*in(t), map[string]*string{name: &o.Value})
		return nil
	}
	if key == "contexts" && name != "" {
		t.Merge(&Target{Contexts: map[string]string{name: o.Value}})
		return nil
	}
	return t.overrideBool(key, o.Value)
}

// add completes a list by a value, unless it is there.
func (t *Target) add(key, value string) error {
	if in, ok := Lists[key]; ok && key != "inherits" {
		if !slices.Contains(*in(t), value) {
			*in(t) = append(slices.Clone(*in(t)), value)
		}
		return nil
	}
	of, ok := Entries[key]
	if !ok {
		return errdefs.Errorf(errdefs.ErrInvalid, "only a list can be added to")
	}
	given, err := ParseEntries(of.Kind, []string{value})
	if err != nil {
		return err
	}
	same := Entry.text
	switch key {
	case "attest":
		same = func(e Entry) string { return e.Get("type") }
	case "secret", "ssh":
		same = func(e Entry) string { return e.Get("id") }
	}
	*of.In(t) = mergeEntries(*of.In(t), given, same)
	return nil
}

func (t *Target) overrideBool(key, value string) error {
	in, known := Switches[key]
	if !known && key != "push" && key != "load" {
		return errdefs.Errorf(errdefs.ErrInvalid, "there is no such key of a target")
	}
	on, err := strconv.ParseBool(value)
	switch {
	case err != nil:
		return errdefs.Errorf(errdefs.ErrInvalid, "want true or false")
	case known:
		*in(t) = &on
	case key == "push":
		t.push(on)
	case on:
		t.load()
	}
	return nil
}

// push makes the image go to its registry, or not. Outputs that are no image stay
// alone: whoever wants files wants no push.
func (t *Target) push(on bool) {
	add := on
	t.Outputs = slices.Clone(t.Outputs)
	for i, e := range t.Outputs {
		switch kind := e.Get("type"); {
		case kind == "image":
			t.Outputs[i].Set("push", strconv.FormatBool(on))
			add = false
		case kind == "registry" && !on:
			t.Outputs[i].Set("type", "image")
			t.Outputs[i].Set("push", "false")
		case kind != "docker":
			add = false
		}
	}
	if add {
		t.Outputs = append(t.Outputs, NewEntry("push", "true", "type", "image"))
	}
}

// load keeps the image here, unless it is files that are wanted.
func (t *Target) load() {
	for _, e := range t.Outputs {
		if kind := e.Get("type"); kind != "image" && kind != "registry" && kind != "oci" {
			return
		}
	}
	t.Outputs = append(slices.Clone(t.Outputs), NewEntry("type", "docker"))
}

func valuesOf(all []Override, key string) (values []string) {
	for _, o := range all {
		if o.Key == key && o.Value != "" && !o.Append {
			values = append(values, o.Value)
		}
	}
	if values == nil {
		values = []string{}
	}
	return values
}

func ptr[T any](v T) *T { return &v }

// Order lists the targets, those that others build on first, and else by name.
func (p *Plan) Order() (names []string) {
	var add func(name string)
	add = func(name string) {
		if slices.Contains(names, name) || p.Targets[name] == nil {
			return
		}
		var on []string
		for _, value := range p.Targets[name].Contexts {
			if other, ok := strings.CutPrefix(value, TargetPrefix); ok {
				on = append(on, other)
			}
		}
		slices.Sort(on)
		for _, other := range on {
			add(other)
		}
		names = append(names, name)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Targets)) {
		add(name)
	}
	return names
}

// Paths are the files and directories of this machine that a target reads and writes.
func (t *Target) Paths() (reads, writes []string) {
	local := func(p string) {
		p = strings.TrimPrefix(p, "cwd://")
		elsewhere := strings.Contains(p, "://") || strings.HasPrefix(p, TargetPrefix) || strings.HasPrefix(p, "git@")
		if p != "" && !elsewhere {
			reads = append(reads, p)
		}
	}
	local(*t.Context)
	for _, value := range t.Contexts {
		local(value)
	}
	if path.IsAbs(*t.Dockerfile) || strings.HasPrefix(*t.Dockerfile, "cwd://") {
		local(*t.Dockerfile)
	}
	for _, e := range t.Secrets {
		if src := e.Get("src"); src != "" {
			reads = append(reads, src)
		}
	}
	for _, e := range t.CacheFrom {
		if src := e.Get("src"); src != "" {
			reads = append(reads, src)
		}
	}
	for _, list := range [][]Entry{t.Outputs, t.CacheTo} {
		for _, e := range list {
			if dest := e.Get("dest"); dest != "" && dest != "-" {
				writes = append(writes, dest)
			}
		}
	}
	return reads, writes
}

// Listed is a target or a group, for people.
type Listed struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Group       bool   `json:"group,omitempty"`
}

// List lists targets and groups by name; a group hides a target of its name.
func (d *Definition) List() (all []Listed) {
	for _, g := range d.Groups {
		text := g.Description
		if text == "" {
			text = strings.Join(g.Targets, ", ")
		}
		all = append(all, Listed{Name: g.Name, Description: text, Group: true})
	}
	for _, t := range d.Targets {
		if d.group(t.Name) == nil {
			all = append(all, Listed{Name: t.Name, Description: t.Description})
		}
	}
	slices.SortFunc(all, func(a, b Listed) int { return strings.Compare(a.Name, b.Name) })
	return all
}
