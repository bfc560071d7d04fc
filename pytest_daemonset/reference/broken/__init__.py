"""Controllers broken on purpose, each at one decision: what the conformance suite must catch, row by row."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_daemonset.reference.broken import (
    adopting,
    enduring,
    extending,
    faulting,
    lagging,
    leading,
    overdoing,
    owning,
    placing,
    recovering,
    reporting,
    restless,
    revising,
    rolling,
    selecting,
    surging,
    watching,
)
from pytest_daemonset.reference.controller import Controller

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Broken:
    """One way to be wrong.

    Args:
        name: what `--broken` calls it.
        does: what it does wrong, one sentence.
        caught_by: the rows of the contract that must catch it; the first one is the row that it is made for.
        mixin: the correct controller with that one decision replaced.
    """

    name: str
    does: str
    caught_by: tuple[str, ...]
    mixin: type[Controller]


_ALL: tuple[type[Controller], ...] = (
    placing.TwoPodsPerNode,
    placing.CountsReplicas,
    placing.AnyLabel,
    placing.OrSelectorAndAffinity,
    placing.AndsAffinityTerms,
    placing.IgnoresTaints,
    placing.DrainsNoSchedule,
    placing.KeepsNoExecute,
    placing.ForgetsTolerations,
    placing.SkipsNotReady,
    placing.FiltersCordoned,
    placing.Unpinned,
    placing.DropsTemplateAnnotations,
    watching.ComputesNodesOnce,
    watching.WatchesItselfOnly,
    watching.EventsOnly,
    watching.ReplacesTerminating,
    watching.CountsBoundOnly,
    watching.RecreatesForVanishedNode,
    watching.ForgetsVanishedNode,
    watching.KeepsFailed,
    watching.FailedOnly,
    watching.HotFailureLoop,
    watching.DeletesUnready,
    watching.ForcesDeletion,
    owning.RecreatesWhileDeleting,
    owning.NoBlockOwnerDeletion,
    owning.NeverAdopts,
    owning.StealsByLabel,
    owning.OwnsByName,
    overdoing.PreferredIsRequired,
    overdoing.ExactTolerations,
    overdoing.PrunesAll,
    overdoing.KeepsAFinalizer,
    overdoing.WritesTheSpec,
    rolling.RollsOnDelete,
    rolling.NeverRolls,
    rolling.IgnoresBudget,
    rolling.CountsMissingOnly,
    rolling.RoundsDown,
    rolling.SetsNoTimer,
    rolling.SparesTheSick,
    rolling.KeepsTheFirstStrategy,
    rolling.WaitsFromTheFirstReady,
    rolling.IgnoresTheDown,
    rolling.ChargesTheGivenUp,
    rolling.RollsOverTheNodesOfItsStart,
    surging.SurgesEverywhere,
    surging.RetiresEarly,
    surging.SurgesAgain,
    surging.SurgeWaitsForTheEnd,
    surging.SurgesOverCorpses,
    surging.SurgesBesideTheSickInTurn,
    surging.GivesUpAtOnce,
    surging.KeepsOneOfEachRevision,
    revising.KeepsAllHistory,
    revising.DeletesLiveRevisions,
    revising.RecordsLate,
    revising.RecordsTheWholeSpec,
    revising.LabelsTheFirstWithTheLast,
    revising.RecordsADifference,
    revising.NeverRenumbers,
    revising.RollbackIsNew,
    revising.KeepsTheOldestTwin,
    revising.IgnoresClashes,
    revising.RandomIdentities,
    revising.DataOfThisProcess,
    reporting.RewritesStatus,
    reporting.RestartRewrites,
    reporting.EarlyObservedGeneration,
    reporting.CountsPods,
    reporting.RunningIsReady,
    reporting.SilentWhenEmpty,
    adopting.IdentityByUid,
    adopting.NeverAdoptsRevisions,
    adopting.TrustsAdopted,
    adopting.NeverReleases,
    adopting.EqualityOnly,
    adopting.NeverPrunes,
    recovering.CountsCorpses,
    recovering.ReplacesBesideTheCorpse,
    recovering.OneBackoff,
    recovering.ErrorsEndTheSync,
    recovering.BeginsWithTheRefused,
    recovering.ForgetsTheRefused,
    recovering.MakesInVain,
    recovering.ExpectsWhatItSkipped,
    recovering.NoRamp,
    recovering.DropsTheRest,
    recovering.HeadOfLine,
    recovering.DeletesAgain,
    recovering.WaitsForAll,
    recovering.EmptyIsAnError,
    recovering.DeletesItsPods,
    recovering.Silent,
    selecting.IgnoresFieldTerms,
    selecting.OverwritesNodeName,
    selecting.ReplacesAffinity,
    selecting.FreezesRulesOnDelete,
    selecting.LooksUpBoundOnly,
    selecting.ComparesKeysOnly,
    selecting.AppendsTolerations,
    selecting.EditsTheTemplate,
    selecting.SkipsFullNodes,
    selecting.ConflictsWithItself,
    selecting.LabelsWithTheSetsName,
    restless.WritesAtEachHeartbeat,
    restless.SyncsForEveryPod,
    restless.AnnotatesNodes,
    restless.CountsAllAsUpdated,
    restless.ReplacesStatus,
    restless.BlindToTaints,
    enduring.TellsOfEveryNode,
    enduring.TrustsTheKubelet,
    enduring.TriesInEndingNamespaces,
    enduring.StopsAtLeftovers,
    extending.PartitionCountsUpdates,
    extending.PauseFreezesAll,
    extending.UpdateSelectorPlaces,
    extending.MakesAllAtFirst,
    extending.SelectsEverything,
    extending.TakesZeroLiterally,
    extending.IgnoresBurst,
    extending.TellsTheNewestHash,
    faulting.KnowsItsOwnOnly,
    faulting.OverwritesStatus,
    faulting.WaitsForTheGone,
    faulting.SwallowsStatusErrors,
    lagging.TrustsItsCache,
    lagging.TakesDeletedForReplaced,
    lagging.KeepsWhatItDoubts,
    lagging.TakesSilenceForSuccess,
    lagging.AdoptsWithoutAsking,
    lagging.WaitsForEver,
    lagging.KeepsWhatAListLacks,
    leading.TwoBrains,
    leading.OutlivesItsLease,
)


def _entry(mixin: type[Controller]) -> Broken:
    name, rows = vars(mixin)["name"], vars(mixin)["rows"]
    return Broken(name, (mixin.__doc__ or "").strip(), rows, mixin)


BROKEN: Mapping[str, Broken] = MappingProxyType({entry.name: entry for entry in map(_entry, _ALL)})
"""Every broken controller, by name."""


def controller_class(broken: Sequence[str]) -> type[Controller]:
    """The controller that is broken in all these ways; the correct one if there are none.

    Args:
        broken: names in `BROKEN`.

    Raises:
        KeyError: there is no such name.
    """
    mixins = tuple(BROKEN[name].mixin for name in dict.fromkeys(broken))
    return type("BrokenController", mixins, {}) if mixins else Controller
