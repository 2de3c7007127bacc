"""Acting on traffic: rules and faults that edit, end, delay and hold what passes.

The core is pure: rules and items in, decisions out. It implements the interface in :mod:`loom.model.interception`.

From a file to rules:

* :mod:`~loom.interception.rule_file`: files in TOML or JSON, decoded strictly.
* :mod:`~loom.interception.rule_lines`: the lines at which the rules of a file begin.
* :mod:`~loom.interception.rules`: the tables of rules, compiled and checked.
* :mod:`~loom.interception.rule_actions`: the actions of rules, compiled.
* :mod:`~loom.interception.faults`: the tables of faults and the flag ``--fault``, compiled to rules.
* :mod:`~loom.interception.fault_places`: where a fault is in a call.
* :mod:`~loom.interception.fault_headers`: faults that clients ask for in metadata.
* :mod:`~loom.interception.amounts`: durations, sizes, ranges and rates as they are written.
* :mod:`~loom.interception.final_status`: statuses, details and metadata as they are written.
* :mod:`~loom.interception.errors`: what can be wrong.

From rules to decisions:

* :mod:`~loom.interception.rule_set`: a set of rules, and which of them act on a call.
* :mod:`~loom.interception.method_rules`: the rules for one method, indexed by the metadata that they require.
* :mod:`~loom.interception.call_rules`: what they decide on its items.
* :mod:`~loom.interception.matching`: which calls and messages a rule acts on.
* :mod:`~loom.interception.selection`: which of the calls that match, deterministically.
* :mod:`~loom.interception.actions`: what is done at a point.
* :mod:`~loom.interception.message_edit`: edits of a message, exact in all that they do not touch.
* :mod:`~loom.interception.field_operations`: what is done to a field.

Breakpoints:

* :mod:`~loom.interception.breakpoints`: which calls' items are held.
* :mod:`~loom.interception.call_holds`: which items of one call are held, and until when.
* :mod:`~loom.interception.hold`: one held item.
* :mod:`~loom.interception.holds`: what is held, its limits, and who looks.
* :mod:`~loom.interception.hold_decision`: what a person decides on a held item.

In a running Loom:

* :mod:`~loom.interception.rule_interceptor`: applies rules and breakpoints to calls: delays, threads, schemas.
* :mod:`~loom.interception.scheduler`: time and threads, as an interface.
* :mod:`~loom.interception.loop_scheduler`: time, threads and schemas by an event loop.
* :mod:`~loom.interception.rule_sources`: the rules of files, which are watched, of flags, and those added since.
* :mod:`~loom.interception.added_rules`: rules that the page or another client of the API adds.
* :mod:`~loom.interception.rule_export`: tables of rules as the text of a file.

On recorded calls:

* :mod:`~loom.interception.dry_run`: what rules would have done.
* :mod:`~loom.interception.fault_report`: how clients reacted to faults.
"""

from .errors import EditError, RuleFileError
from .rule_set import RuleSet, load_rules

__all__ = ["EditError", "RuleFileError", "RuleSet", "load_rules"]
