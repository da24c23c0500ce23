// Package imagediff shows in what two images differ.
package imagediff

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	engineimages "cove/engine/images"
	"cove/errdefs"
	"cove/internal/cli/terminal"
)

// CodeTrouble is the exit code of what could not be compared, as diff(1) has it.
const CodeTrouble = 2

// CheckFormat refuses a format that there is not; "" is lines.
func CheckFormat(format string) error {
	if format != "" && format != "json" {
		return errdefs.Errorf(errdefs.ErrInvalid, "--format %s: want json", format)
	}
	return nil
}

// JSON prints v, a difference with more around it, for programs.
func JSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// Show prints the differences.
func Show(w io.Writer, d engineimages.Diff, format string) error {
	if format == "json" {
		return JSON(w, d)
	}
	count := map[engineimages.Kind]int{}
	for _, c := range d.Files {
		count[c.Kind]++
		fmt.Fprintf(w, "%s %s  %s\n", c.Kind, terminal.Clean(c.Path), aboutChange(c))
	}
	for _, c := range d.Config {
		fmt.Fprintf(w, "config %s: %s\n", terminal.Clean(c.What), fromTo(c))
	}
	if d.Same() {
		fmt.Fprintln(w, "the images do not differ")
		return nil
	}
	fmt.Fprintf(w, "%d added, %d changed, %d deleted; %d settings differ\n",
		count[engineimages.Added], count[engineimages.Changed], count[engineimages.Deleted], len(d.Config))
	return nil
}

// aboutChange is what a file is, or was, or in what it differs.
func aboutChange(c engineimages.Change) string {
	switch c.Kind {
	case engineimages.Added:
		return aboutFile(*c.After)
	case engineimages.Deleted:
		return aboutFile(*c.Before)
	}
	var all []string
	for _, d := range c.Details {
		all = append(all, d.What+" "+fromTo(d))
	}
	return terminal.Clean(strings.Join(all, ", "))
}

func aboutFile(f engineimages.File) string {
	text := fmt.Sprintf("%s %s %d:%d", f.Type(), f.Permissions(), f.UID, f.GID)
	switch {
	case f.Link != "":
		text += " → " + f.Link
	case f.Digest != "":
		text += fmt.Sprintf(" %d bytes", f.Size)
	case f.Device != "":
		text += " " + f.Device
	}
	return terminal.Clean(text)
}

func fromTo(d engineimages.Detail) string {
	none := func(text string) string {
		if text == "" {
			return "none"
		}
		return terminal.Clean(text)
	}
	return none(d.Before) + " → " + none(d.After)
}
