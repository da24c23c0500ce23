package dockerfile

import (
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"cove/builder/dockerfile/values"
	"cove/builder/plan"
)

func (c *converter) copy(s *state, cmd *instructions.CopyCommand, loc plan.Location) error {
	op := &plan.Copy{
		Selection: plan.Selection{Parents: cmd.Parents, Exclude: cmd.ExcludePatterns},
		Placement: plan.Placement{Chown: cmd.Chown, Chmod: cmd.Chmod, Link: cmd.Link},
	}
	from, named := plan.FromContext, ""
	var inputs []plan.ID
	if c.byName[strings.ToLower(cmd.From)] == nil && cmd.From != "" {
		named = c.filesNamed(cmd.From)
	}
	if cmd.From != "" && named == "" {
		if strings.Contains(cmd.From, "$") {
			return invalid("--from takes no variables: name a stage by FROM, with an ARG before the first FROM, and copy from that")
		}
		id, err := c.origin(s, cmd.From, loc)
		if err != nil {
			return err
		}
		from = plan.FromNothing
		if id != plan.None {
			from, inputs = 0, []plan.ID{id}
		}
	}
	for _, p := range cmd.SourcePaths {
		if values.IsURL(p) || plan.IsGit(p) {
			return invalid("COPY takes no URL: use ADD %s", p)
		}
		if cmd.From == "" {
			c.lintIgnored("Copy", p, cmd.Location())
		}
		op.Sources = append(op.Sources, plan.Source{
			From: from, Context: named, Path: values.SourcePath(p, cmd.Parents),
		})
	}
	line, err := s.placed("COPY", op, cmd.SourcesAndDest)
	if err != nil {
		return err
	}
	c.change(s, op, loc, inputs, line)
	return nil
}

func (c *converter) addFiles(s *state, cmd *instructions.AddCommand, loc plan.Location) error {
	op := &plan.Copy{
		Selection: plan.Selection{Exclude: cmd.ExcludePatterns},
		Placement: plan.Placement{Chown: cmd.Chown, Chmod: cmd.Chmod, Link: cmd.Link},
	}
	for _, p := range cmd.SourcePaths {
		src := plan.Source{
			From: plan.FromContext, Path: values.SourcePath(p, false), Unpack: cmd.Unpack == nil || *cmd.Unpack,
		}
		switch {
		case plan.IsGit(p):
			repo, err := values.Git(p, cmd)
			if err != nil {
				return err
			}
			src = plan.Source{From: plan.FromNothing, Git: repo}
		case values.IsURL(p):
			src = plan.Source{
				From: plan.FromNothing, URL: p, Name: values.URLName(p), Checksum: cmd.Checksum,
				Unpack: cmd.Unpack != nil && *cmd.Unpack,
			}
			if src.Name == "" && !values.IsDir(cmd.DestPath) {
				src.Name = "unnamed"
			}
			if src.Name == "" {
				return invalid("%s ends with no file name: give the destination one", p)
			}
		default:
			c.lintIgnored("Add", p, cmd.Location())
		}
		op.Sources = append(op.Sources, src)
	}
	if cmd.Checksum != "" {
		if err := values.CheckChecksum(op.Sources, cmd.Checksum); err != nil {
			return err
		}
	}
	isRepository := func(src plan.Source) bool { return src.Git != nil }
	if cmd.KeepGitDir != nil && !slices.ContainsFunc(op.Sources, isRepository) {
		return invalid("--keep-git-dir goes with a git repository")
	}
	line, err := s.placed("ADD", op, cmd.SourcesAndDest)
	if err != nil {
		return err
	}
	c.change(s, op, loc, nil, line)
	return nil
}

// placed completes op by what COPY and ADD share, the here-documents and the
// placement, and returns the instruction as the history shows it.
func (s *state) placed(verb string, op *plan.Copy, sd instructions.SourcesAndDest) (line string, err error) {
	for _, doc := range sd.SourceContents {
		body := doc.Data
		op.Sources = append(op.Sources, plan.Source{
			From: plan.FromNothing, Name: path.Base(path.Clean("/" + doc.Path)),
			Inline: &body,
		})
	}
	for _, word := range append([]string{sd.DestPath}, sd.SourcePaths...) {
		if strings.ContainsRune(word, 0) {
			return "", invalid("a path cannot hold a NUL byte")
		}
	}
	op.Dest, op.DestDir = s.abs(sd.DestPath), values.IsDir(sd.DestPath)
	if i := slices.IndexFunc(sd.SourcePaths, values.IsArrows); i >= 0 {
		return "", invalid("the name of a heredoc follows its %s without a space", sd.SourcePaths[i])
	}
	if err := values.CheckOwner("--chown=", op.Chown); err != nil {
		return "", err
	}
	if _, err := plan.ParseMode(op.Chmod); op.Chmod != "" && err != nil {
		return "", err
	}
	if line = verb; op.Parents {
		line += " --parents"
	}
	for _, f := range [][2]string{{"--chown=", op.Chown}, {"--chmod=", op.Chmod}} {
		if f[1] != "" {
			line += " " + f[0] + f[1]
		}
	}
	for _, p := range sd.SourcePaths {
		line += " " + p
	}
	for _, doc := range sd.SourceContents {
		line += " <<" + doc.Path
	}
	return line + " " + sd.DestPath, nil
}

// lintIgnored warns of a source that .dockerignore excludes; p is as it was
// written, cmd "Copy" or "Add".
func (c *converter) lintIgnored(cmd, p string, at []parser.Range) {
	if c.opt.Ignored != nil && c.opt.Ignored(values.CleanRel(p)) {
		c.lint.Run(&linter.RuleCopyIgnoredFile, at, linter.RuleCopyIgnoredFile.Format(cmd, path.Clean(p)))
	}
}
