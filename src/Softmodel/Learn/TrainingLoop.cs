using System.Diagnostics;
using Softmodel.Graphs;

namespace Softmodel.Learn;

/// <summary>A point of a training's curve.</summary>
/// <param name="Step">The step, from 1 on.</param>
/// <param name="Loss">Its loss.</param>
/// <param name="Validation">The validation loss after it, where it was computed.</param>
public readonly record struct TrainingPoint(long Step, double Loss, double? Validation = null);

/// <summary>How a training goes on.</summary>
public sealed record LoopOptions
{
    /// <summary>How many steps are taken.</summary>
    public required long Steps { get; init; }

    /// <summary>The largest learning rate.</summary>
    public double Rate { get; init; } = 1e-3;

    /// <summary>How much of it each step has.</summary>
    public Schedule Schedule { get; init; } = Schedules.Constant;

    /// <summary>The validation loss of the parameters as they are; null for no validation.</summary>
    public Func<CancellationToken, double>? Validate { get; init; }

    /// <summary>After how many steps there is a validation; 0 for after each epoch. There is one at the end, too.</summary>
    public long ValidateEvery { get; init; }

    /// <summary>After how many validations without a smaller loss it stops (early stopping); 0 for never.</summary>
    public int Patience { get; init; }

    /// <summary>The file of the checkpoint; null for none. It goes on from the one that is there.</summary>
    public string? Checkpoint { get; init; }

    /// <summary>How much time there is at least between two checkpoints. There is one at the end, and where it is cancelled.</summary>
    public TimeSpan CheckpointEvery { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Is told what happens, in the thread of the training.</summary>
    public Action<TrainingEvent>? Progress { get; init; }
}

/// <summary>Something that happens in a training.</summary>
/// <param name="Event"><c>resumed</c>, <c>step</c>, <c>validation</c>, <c>checkpoint</c>, or <c>end</c>.</param>
/// <param name="Step">How many steps have been taken.</param>
/// <param name="Steps">How many there will be.</param>
/// <param name="Epoch">The epoch, from 0 on.</param>
public sealed record TrainingEvent(string Event, long Step, long Steps, long Epoch)
{
    /// <summary>The loss of a step's batch, before the step; of a validation, the validation loss.</summary>
    public double? Loss { get; init; }

    /// <summary>The norm of a step's gradients.</summary>
    public double? GradientNorm { get; init; }

    /// <summary>The learning rate of a step.</summary>
    public double? Rate { get; init; }

    /// <summary>How long it will take, at the speed so far.</summary>
    public double? SecondsLeft { get; init; }

    /// <summary>The file of a checkpoint.</summary>
    public string? File { get; init; }

    /// <summary>Why it ended: <c>steps</c>, or <c>patience</c>.</summary>
    public string? Reason { get; init; }
}

/// <summary>What a training came to.</summary>
/// <param name="Steps">How many steps were taken, those before a checkpoint included.</param>
/// <param name="Epochs">How many epochs were begun.</param>
/// <param name="BestLoss">The validation loss of the parameters as they are now; null without validation.</param>
/// <param name="IsStoppedEarly">Whether the validation loss had stopped falling.</param>
/// <param name="Curve">All losses.</param>
public sealed record TrainingOutcome(long Steps, long Epochs, double? BestLoss, bool IsStoppedEarly, IReadOnlyList<TrainingPoint> Curve);

/// <summary>Trains: step after step, with validation, early stopping and checkpoints.</summary>
public static class TrainingLoop
{
    /// <summary>Trains until all steps are taken, or the validation loss no longer falls; the parameters are then those with the least validation loss.</summary>
    /// <param name="trainer">What takes the steps.</param>
    /// <param name="batches">What on.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellationToken">Stops after a step, when a checkpoint has been written.</param>
    /// <remarks>
    /// From a checkpoint it goes on as if it had not been stopped: with the same losses to the last bit, whatever the number of threads. A
    /// step that comes to what is no number is undone and ends the training; the message says in which example, and in which layer of the
    /// network, it arises.
    /// </remarks>
    /// <exception cref="SoftmodelException">
    /// There are no examples, the checkpoint can't be read or written, or is of another network or other data, or a step came to what is no number.
    /// </exception>
    public static TrainingOutcome Run(Trainer trainer, BatchSource batches, LoopOptions options, CancellationToken cancellationToken = default)
    {
        var network = options.Checkpoint is null ? "" : TrainingCheckpoint.HashOf(trainer.TrainingStep);
        var (curve, best) = (new List<TrainingPoint>(), (IReadOnlyDictionary<string, Tensor>)new Dictionary<string, Tensor>());
        var (epoch, position, bestLoss, waited) = (0L, 0L, double.PositiveInfinity, 0);
        void Tell(string what, Func<TrainingEvent, TrainingEvent>? more = null)
        {
            if (options.Progress is { } progress)
                progress(more is null ? new(what, trainer.Count, options.Steps, epoch) : more(new(what, trainer.Count, options.Steps, epoch)));
        }
        if (options.Checkpoint is { } there && File.Exists(there))
        {
            var from = TrainingCheckpoint.Read(there, network, batches.Identity);
            (trainer.States, trainer.Count, trainer.Seed) = (from.States, from.Step, from.Seed);
            (epoch, position, bestLoss, best, waited) = (from.Epoch, from.Position, from.BestLoss, from.Best, from.Waited);
            curve.AddRange(from.History);
            Tell("resumed", e => e with { File = there });
        }
        var (saved, begun, first) = (Stopwatch.StartNew(), Stopwatch.StartNew(), trainer.Count);
        var savedAt = trainer.Count;
        void Save()
        {
            if (options.Checkpoint is not { } path)
                return;
            new TrainingCheckpoint(trainer.States, trainer.Count, epoch, position, trainer.Seed, bestLoss, best, waited, curve).Write(path, network, batches.Identity);
            Tell("checkpoint", e => e with { File = path });
            (savedAt, saved) = (trainer.Count, Stopwatch.StartNew());
        }
        void Validate()
        {
            if (options.Validate is not { } validate || curve.Count == 0 || curve[^1].Validation is not null)
                return;
            var loss = validate(cancellationToken);
            curve[^1] = curve[^1] with { Validation = loss };
            waited++;
            if (loss < bestLoss)
                (bestLoss, best, waited) = (loss, trainer.Parameters.ToDictionary(p => p, p => trainer[p], StringComparer.Ordinal), 0);
            Tell("validation", e => e with { Loss = loss });
        }
        bool IsOver() => trainer.Count >= options.Steps || (options.Patience > 0 && waited >= options.Patience);
        try
        {
            // It may have been stopped while it validated.
            if (options.ValidateEvery > 0 ? trainer.Count % options.ValidateEvery == 0 : position == 0)
                Validate();
            while (!IsOver())
            {
                var isEmpty = position == 0;
                foreach (var batch in batches.Epoch(epoch, position))
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    var rate = options.Rate * options.Schedule(trainer.Count, options.Steps);
                    var result = trainer.Step(batch.Inputs, rate);
                    if (!result.IsFinite)
                        throw Diagnosis.Of(trainer, batch, result, rate, cancellationToken);
                    (position, isEmpty) = (position + 1, false);
                    curve.Add(new(trainer.Count, result.Loss));
                    var left = begun.Elapsed.TotalSeconds / (trainer.Count - first) * (options.Steps - trainer.Count);
                    Tell("step", e => e with { Loss = result.Loss, GradientNorm = result.GradientNorm, Rate = rate, SecondsLeft = left });
                    if (options.ValidateEvery > 0 && trainer.Count % options.ValidateEvery == 0)
                        Validate();
                    if (IsOver())
                        break;
                    if (saved.Elapsed >= options.CheckpointEvery)
                        Save();
                }
                if (isEmpty)
                    throw new SoftmodelException("there is no example to train on");
                if (IsOver())
                    break;
                (epoch, position) = (epoch + 1, 0);
                if (options.ValidateEvery == 0)
                    Validate();
            }
            Validate();
            // A training that had ended before has nothing new.
            if (savedAt != trainer.Count)
                Save();
        }
        catch (OperationCanceledException)
        {
            if (savedAt != trainer.Count)
                Save();
            throw;
        }
        foreach (var (name, tensor) in best)
            trainer[name] = tensor;
        var isEarly = trainer.Count < options.Steps;
        Tell("end", e => e with { Reason = isEarly ? "patience" : "steps" });
        return new(trainer.Count, epoch + 1, best.Count > 0 ? bestLoss : null, isEarly, curve);
    }
}
