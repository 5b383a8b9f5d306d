package settings

import (
	"strings"

	"github.com/spf13/pflag"
)

// Foreign is a flag of another server. It is taken where none of ours has its name, and handed on as it is.
type Foreign struct {
	Names []string // with their hyphens: -k, --worker-class
	Value bool     // it has one
}

// unvalued is what pflag gives to a flag without a value.
const unvalued = "\x00"

// foreignFlag hands on what a foreign flag was given.
type foreignFlag struct {
	name  string
	value bool
	to    *[]string
}

func (f foreignFlag) String() string { return "" }
func (f foreignFlag) Type() string   { return "" }

// Set makes one argument of flag and value, so that a value may begin with a hyphen.
func (f foreignFlag) Set(text string) error {
	arg := "--" + f.name
	if f.value || text != unvalued {
		arg += "=" + text
	}
	*f.to = append(*f.to, arg)
	return nil
}

// addForeign has flags accept those of another server; what they are given comes to line.Foreign.
func addForeign(flags *pflag.FlagSet, line *Line, foreign []Foreign) {
	for _, f := range foreign {
		short := ""
		for _, name := range f.Names {
			if len(name) == len("-k") && flags.ShorthandLookup(name[1:]) == nil {
				short = name[1:]
			}
		}
		for _, name := range f.Names {
			long, isLong := strings.CutPrefix(name, "--")
			if !isLong || flags.Lookup(long) != nil {
				continue
			}
			added := flags.VarPF(foreignFlag{long, f.Value, &line.Foreign}, long, short, "")
			if !f.Value {
				added.NoOptDefVal = unvalued
			}
			short = ""
		}
	}
}
