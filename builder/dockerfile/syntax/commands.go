package syntax

import (
	"fmt"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// Trigger parses the instruction of an ONBUILD as if it stood on line.
func Trigger(trigger string, line int) (instructions.Command, error) {
	tree, err := parser.Parse(strings.NewReader(trigger))
	if err != nil {
		return nil, err
	}
	if len(tree.AST.Children) != 1 {
		return nil, fmt.Errorf("it is not one instruction")
	}
	node := tree.AST.Children[0]
	node.StartLine, node.EndLine = line, line
	return instructions.ParseCommand(node)
}

// Steps counts the instructions that become vertices.
func Steps(cmds []instructions.Command) int {
	n := 0
	for _, cmd := range cmds {
		switch cmd.(type) {
		case *instructions.RunCommand, *instructions.CopyCommand, *instructions.AddCommand,
			*instructions.WorkdirCommand:
			n++
		}
	}
	return n
}

// Froms lists the stages and images that commands read from.
func Froms(cmds []instructions.Command) []string {
	var names []string
	for _, cmd := range cmds {
		switch cmd := cmd.(type) {
		case *instructions.CopyCommand:
			if cmd.From != "" {
				names = append(names, cmd.From)
			}
		case *instructions.RunCommand:
			for _, m := range instructions.GetMounts(cmd) {
				if m.From != "" {
					names = append(names, m.From)
				}
			}
		}
	}
	return names
}

// Args are the names of all ARGs, of stages that are not built too.
func (f File) Args() (names []string) {
	add := func(cmd *instructions.ArgCommand) {
		for _, a := range cmd.Args {
			names = append(names, a.Key)
		}
	}
	for i := range f.Global {
		add(&f.Global[i])
	}
	for _, st := range f.Stages {
		for _, cmd := range st.Commands {
			if arg, ok := cmd.(*instructions.ArgCommand); ok {
				add(arg)
			}
		}
	}
	return names
}
