# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_lehr_global_optspecs
    string join \n h/help V/version
end

function __fish_lehr_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_lehr_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_lehr_using_subcommand
    set -l cmd (__fish_lehr_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c lehr -n "__fish_lehr_needs_command" -s h -l help -d 'Print help'
complete -c lehr -n "__fish_lehr_needs_command" -s V -l version -d 'Print version'
complete -c lehr -n "__fish_lehr_needs_command" -f -a "deploy" -d 'Take a model the whole way: import, optimise, verify, bundle, run on examples, report'
complete -c lehr -n "__fish_lehr_needs_command" -f -a "check" -d 'Report every problem of a model and what of it is supported'
complete -c lehr -n "__fish_lehr_needs_command" -f -a "inspect" -d 'Show signature, operators, parameters, work and memory plan of a model'
complete -c lehr -n "__fish_lehr_needs_command" -f -a "convert" -d 'Write a model as ONNX of a chosen opset, as a bundle, or in the text form'
complete -c lehr -n "__fish_lehr_needs_command" -f -a "optimize" -d 'Optimise a model and write it'
complete -c lehr -n "__fish_lehr_needs_command" -f -a "run" -d 'Run a model: on files through its pipeline, or on recorded inputs'
complete -c lehr -n "__fish_lehr_needs_command" -f -a "pipeline" -d 'Check and fit what happens before and after a model'
complete -c lehr -n "__fish_lehr_needs_command" -f -a "bench" -d 'Measure load time, run times and memory'
complete -c lehr -n "__fish_lehr_needs_command" -f -a "compare" -d 'Compare the outputs of two models, or of one model and its reference evaluation'
complete -c lehr -n "__fish_lehr_needs_command" -f -a "verify" -d 'Compare every segment of a bundle with its hash'
complete -c lehr -n "__fish_lehr_needs_command" -f -a "conformance" -d 'Run ONNX test cases: folders with model.onnx and test_data_set_*'
complete -c lehr -n "__fish_lehr_needs_command" -f -a "completions" -d 'Print the completion script for a shell'
complete -c lehr -n "__fish_lehr_needs_command" -f -a "man" -d 'Write the manual pages into a folder'
complete -c lehr -n "__fish_lehr_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c lehr -n "__fish_lehr_using_subcommand deploy" -l json -d 'Print JSON for programs instead of text for people'
complete -c lehr -n "__fish_lehr_using_subcommand deploy" -s h -l help -d 'Print help'
complete -c lehr -n "__fish_lehr_using_subcommand check" -l json -d 'Print JSON for programs instead of text for people'
complete -c lehr -n "__fish_lehr_using_subcommand check" -s h -l help -d 'Print help'
complete -c lehr -n "__fish_lehr_using_subcommand inspect" -l shape -d 'Size of a symbolic dimension, as N=1, or whole shape of an input, as x=1x3x224x224; may be repeated' -r
complete -c lehr -n "__fish_lehr_using_subcommand inspect" -l optimize -l level -d 'How much to optimise: 0 not at all, 1 clean-up that keeps every result bit for bit, 2 what pays at run time and may change rounding, 3 also what trades load time or memory for speed' -r
complete -c lehr -n "__fish_lehr_using_subcommand inspect" -l threads -d 'Threads; one for each physical core without it. Results do not depend on it' -r
complete -c lehr -n "__fish_lehr_using_subcommand inspect" -l isa -d 'Instruction set: scalar, neon, avx2 or avx512; the best of this machine without it' -r
complete -c lehr -n "__fish_lehr_using_subcommand inspect" -l text -d 'Print the graph in its text form, large constants as hashes'
complete -c lehr -n "__fish_lehr_using_subcommand inspect" -l full -d 'With --text: print all constants, so that the text can be read back'
complete -c lehr -n "__fish_lehr_using_subcommand inspect" -l plan -d 'Print what runs in which order, and where operands lie'
complete -c lehr -n "__fish_lehr_using_subcommand inspect" -l json -d 'Print JSON for programs instead of text for people'
complete -c lehr -n "__fish_lehr_using_subcommand inspect" -s h -l help -d 'Print help'
complete -c lehr -n "__fish_lehr_using_subcommand convert" -s o -l output -d 'The file to write: .onnx, .lehr for a bundle, or .txt for the text form; it appears whole or not at all' -r -F
complete -c lehr -n "__fish_lehr_using_subcommand convert" -l opset -d 'Opset of the written .onnx file, 13 or newer; the lowest from 21 up that can express the model without it' -r
complete -c lehr -n "__fish_lehr_using_subcommand convert" -l pipeline -d 'What happens before and after the model, to be put into a .lehr file with the files that it names' -r -F
complete -c lehr -n "__fish_lehr_using_subcommand convert" -l verify -d 'Run the written model on recorded inputs and compare with the recorded outputs' -r -F
complete -c lehr -n "__fish_lehr_using_subcommand convert" -l tolerance -d 'Largest max|a-b| / max|b| that counts as agreement' -r
complete -c lehr -n "__fish_lehr_using_subcommand convert" -l optimize -l level -d 'How much to optimise: 0 not at all, 1 clean-up that keeps every result bit for bit, 2 what pays at run time and may change rounding, 3 also what trades load time or memory for speed' -r
complete -c lehr -n "__fish_lehr_using_subcommand convert" -l external-data -d 'Put weights into a file beside the .onnx file'
complete -c lehr -n "__fish_lehr_using_subcommand convert" -l json -d 'Print JSON for programs instead of text for people'
complete -c lehr -n "__fish_lehr_using_subcommand convert" -s h -l help -d 'Print help'
complete -c lehr -n "__fish_lehr_using_subcommand optimize" -s o -l output -d 'The file to write: .onnx, .lehr for a bundle, or .txt for the text form; it appears whole or not at all' -r -F
complete -c lehr -n "__fish_lehr_using_subcommand optimize" -l opset -d 'Opset of the written .onnx file, 13 or newer; the lowest from 21 up that can express the model without it' -r
complete -c lehr -n "__fish_lehr_using_subcommand optimize" -l optimize -l level -d 'How much to optimise: 0 not at all, 1 clean-up that keeps every result bit for bit, 2 what pays at run time and may change rounding, 3 also what trades load time or memory for speed' -r
complete -c lehr -n "__fish_lehr_using_subcommand optimize" -l input-shape -d 'Settle the shape of an input, as x=1x3x224x224, or a symbolic dimension, as N=1, for good; may be repeated' -r
complete -c lehr -n "__fish_lehr_using_subcommand optimize" -l batch -d 'Settle the first dimension of every input where it is symbolic' -r
complete -c lehr -n "__fish_lehr_using_subcommand optimize" -l max-edits -d 'Make only the first N edits' -r
complete -c lehr -n "__fish_lehr_using_subcommand optimize" -l stop-after -d 'Stop after this pass has run for the first time' -r
complete -c lehr -n "__fish_lehr_using_subcommand optimize" -l only -d 'Run no other pass than this one; may be repeated' -r
complete -c lehr -n "__fish_lehr_using_subcommand optimize" -l disable -d 'Leave a pass out; may be repeated' -r
complete -c lehr -n "__fish_lehr_using_subcommand optimize" -l feed -d 'Inputs: an .npz file with arrays by input name, or a folder with input_0.pb … in the order of the inputs' -r -F
complete -c lehr -n "__fish_lehr_using_subcommand optimize" -l external-data -d 'Put weights into a file beside the .onnx file'
complete -c lehr -n "__fish_lehr_using_subcommand optimize" -l explain -d 'Say of every pass where it fired, and of every rewrite that did not fire why not'
complete -c lehr -n "__fish_lehr_using_subcommand optimize" -l check -d 'Evaluate the model before and after every pass and stop at the first that changes a result: on the inputs of --feed, else on random ones'
complete -c lehr -n "__fish_lehr_using_subcommand optimize" -l bisect -d 'As --check; if a result changes, find the single edit that is guilty and name it'
complete -c lehr -n "__fish_lehr_using_subcommand optimize" -l exact -d 'Run only passes that keep every result bit for bit'
complete -c lehr -n "__fish_lehr_using_subcommand optimize" -l json -d 'Print JSON for programs instead of text for people'
complete -c lehr -n "__fish_lehr_using_subcommand optimize" -s h -l help -d 'Print help'
complete -c lehr -n "__fish_lehr_using_subcommand run" -l text -d 'Text to run the model on, instead of files' -r
complete -c lehr -n "__fish_lehr_using_subcommand run" -l pipeline -d 'What happens before and after the model; the bundle\'s own without it' -r -F
complete -c lehr -n "__fish_lehr_using_subcommand run" -l feed -d 'Inputs: an .npz file with arrays by input name, or a folder with input_0.pb … in the order of the inputs' -r -F
complete -c lehr -n "__fish_lehr_using_subcommand run" -l save -d 'Save what is computed: with --feed an .npz of outputs by name; else a .jsonl or .csv file with a line for each input, which is written as the answers come' -r -F
complete -c lehr -n "__fish_lehr_using_subcommand run" -l shard -d 'Take only one of N equal parts of the inputs, as 2/4' -r
complete -c lehr -n "__fish_lehr_using_subcommand run" -l labels -d 'Right answers, to tell how many are: lines of file name, tab, label' -r -F
complete -c lehr -n "__fish_lehr_using_subcommand run" -l draw -d 'Draw answers on the pictures: a .png file for one input, a folder for many' -r -F
complete -c lehr -n "__fish_lehr_using_subcommand run" -l top-k -d 'Show at most K classes; with --feed the K largest elements of each row along the last axis' -r
complete -c lehr -n "__fish_lehr_using_subcommand run" -l optimize -l level -d 'How much to optimise: 0 not at all, 1 clean-up that keeps every result bit for bit, 2 what pays at run time and may change rounding, 3 also what trades load time or memory for speed' -r
complete -c lehr -n "__fish_lehr_using_subcommand run" -l threads -d 'Threads; one for each physical core without it. Results do not depend on it' -r
complete -c lehr -n "__fish_lehr_using_subcommand run" -l isa -d 'Instruction set: scalar, neon, avx2 or avx512; the best of this machine without it' -r
complete -c lehr -n "__fish_lehr_using_subcommand run" -l resume -d 'Go on where an earlier run to the same --save file stopped: inputs that it answered are left out'
complete -c lehr -n "__fish_lehr_using_subcommand run" -l profile -d 'Measure every node'
complete -c lehr -n "__fish_lehr_using_subcommand run" -l reference -d 'Evaluate every node by its reference definition: slow, to compare with'
complete -c lehr -n "__fish_lehr_using_subcommand run" -l json -d 'Print JSON for programs instead of text for people'
complete -c lehr -n "__fish_lehr_using_subcommand run" -s h -l help -d 'Print help'
complete -c lehr -n "__fish_lehr_using_subcommand pipeline; and not __fish_seen_subcommand_from check fit steps help" -s h -l help -d 'Print help'
complete -c lehr -n "__fish_lehr_using_subcommand pipeline; and not __fish_seen_subcommand_from check fit steps help" -f -a "check" -d 'Run kinds, sizes and types through all steps and compare them with a model, without running anything'
complete -c lehr -n "__fish_lehr_using_subcommand pipeline; and not __fish_seen_subcommand_from check fit steps help" -f -a "fit" -d 'Set the fitted numbers of a pipeline from data'
complete -c lehr -n "__fish_lehr_using_subcommand pipeline; and not __fish_seen_subcommand_from check fit steps help" -f -a "steps" -d 'List all steps'
complete -c lehr -n "__fish_lehr_using_subcommand pipeline; and not __fish_seen_subcommand_from check fit steps help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c lehr -n "__fish_lehr_using_subcommand pipeline; and __fish_seen_subcommand_from check" -l json -d 'Print JSON for programs instead of text for people'
complete -c lehr -n "__fish_lehr_using_subcommand pipeline; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c lehr -n "__fish_lehr_using_subcommand pipeline; and __fish_seen_subcommand_from fit" -s o -l output -d 'The fitted pipeline to write; it appears whole or not at all' -r -F
complete -c lehr -n "__fish_lehr_using_subcommand pipeline; and __fish_seen_subcommand_from fit" -l input -d 'Which input is fitted, where there are several' -r
complete -c lehr -n "__fish_lehr_using_subcommand pipeline; and __fish_seen_subcommand_from fit" -s h -l help -d 'Print help'
complete -c lehr -n "__fish_lehr_using_subcommand pipeline; and __fish_seen_subcommand_from steps" -l json -d 'Print JSON for programs instead of text for people'
complete -c lehr -n "__fish_lehr_using_subcommand pipeline; and __fish_seen_subcommand_from steps" -s h -l help -d 'Print help'
complete -c lehr -n "__fish_lehr_using_subcommand pipeline; and __fish_seen_subcommand_from help" -f -a "check" -d 'Run kinds, sizes and types through all steps and compare them with a model, without running anything'
complete -c lehr -n "__fish_lehr_using_subcommand pipeline; and __fish_seen_subcommand_from help" -f -a "fit" -d 'Set the fitted numbers of a pipeline from data'
complete -c lehr -n "__fish_lehr_using_subcommand pipeline; and __fish_seen_subcommand_from help" -f -a "steps" -d 'List all steps'
complete -c lehr -n "__fish_lehr_using_subcommand pipeline; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c lehr -n "__fish_lehr_using_subcommand bench" -l feed -d 'Inputs: an .npz file with arrays by input name, or a folder with input_0.pb … in the order of the inputs' -r -F
complete -c lehr -n "__fish_lehr_using_subcommand bench" -l shape -d 'Size of a symbolic dimension, as N=1, or whole shape of an input, as x=1x3x224x224; may be repeated' -r
complete -c lehr -n "__fish_lehr_using_subcommand bench" -l min-time -d 'Measure for at least that many seconds' -r
complete -c lehr -n "__fish_lehr_using_subcommand bench" -l min-runs -d 'Measure at least that many runs' -r
complete -c lehr -n "__fish_lehr_using_subcommand bench" -l warmup -d 'Runs between the first one and the measured ones' -r
complete -c lehr -n "__fish_lehr_using_subcommand bench" -l outputs -d 'Save the outputs into that folder as raw little-endian f32 files, one for each output' -r -F
complete -c lehr -n "__fish_lehr_using_subcommand bench" -l optimize -l level -d 'How much to optimise: 0 not at all, 1 clean-up that keeps every result bit for bit, 2 what pays at run time and may change rounding, 3 also what trades load time or memory for speed' -r
complete -c lehr -n "__fish_lehr_using_subcommand bench" -l threads -d 'Threads; one for each physical core without it. Results do not depend on it' -r
complete -c lehr -n "__fish_lehr_using_subcommand bench" -l isa -d 'Instruction set: scalar, neon, avx2 or avx512; the best of this machine without it' -r
complete -c lehr -n "__fish_lehr_using_subcommand bench" -l profile -d 'Measure every node as well, in runs of their own'
complete -c lehr -n "__fish_lehr_using_subcommand bench" -l json -d 'Print JSON for programs instead of text for people'
complete -c lehr -n "__fish_lehr_using_subcommand bench" -s h -l help -d 'Print help'
complete -c lehr -n "__fish_lehr_using_subcommand compare" -l feed -d 'Inputs: an .npz file with arrays by input name, or a folder with input_0.pb … in the order of the inputs' -r -F
complete -c lehr -n "__fish_lehr_using_subcommand compare" -l shape -d 'Size of a symbolic dimension, as N=1, or whole shape of an input, as x=1x3x224x224; may be repeated' -r
complete -c lehr -n "__fish_lehr_using_subcommand compare" -l tolerance -d 'Largest max|a-b| / max|b| that counts as agreement' -r
complete -c lehr -n "__fish_lehr_using_subcommand compare" -l optimize -l level -d 'How much to optimise: 0 not at all, 1 clean-up that keeps every result bit for bit, 2 what pays at run time and may change rounding, 3 also what trades load time or memory for speed' -r
complete -c lehr -n "__fish_lehr_using_subcommand compare" -l threads -d 'Threads; one for each physical core without it. Results do not depend on it' -r
complete -c lehr -n "__fish_lehr_using_subcommand compare" -l isa -d 'Instruction set: scalar, neon, avx2 or avx512; the best of this machine without it' -r
complete -c lehr -n "__fish_lehr_using_subcommand compare" -l reference -d 'Compare with the reference evaluation of the same model'
complete -c lehr -n "__fish_lehr_using_subcommand compare" -l json -d 'Print JSON for programs instead of text for people'
complete -c lehr -n "__fish_lehr_using_subcommand compare" -s h -l help -d 'Print help'
complete -c lehr -n "__fish_lehr_using_subcommand verify" -l json -d 'Print JSON for programs instead of text for people'
complete -c lehr -n "__fish_lehr_using_subcommand verify" -s h -l help -d 'Print help'
complete -c lehr -n "__fish_lehr_using_subcommand conformance" -l optimize -l level -d 'How much to optimise: 0 not at all, 1 clean-up that keeps every result bit for bit, 2 what pays at run time and may change rounding, 3 also what trades load time or memory for speed' -r
complete -c lehr -n "__fish_lehr_using_subcommand conformance" -l threads -d 'Threads; one for each physical core without it. Results do not depend on it' -r
complete -c lehr -n "__fish_lehr_using_subcommand conformance" -l isa -d 'Instruction set: scalar, neon, avx2 or avx512; the best of this machine without it' -r
complete -c lehr -n "__fish_lehr_using_subcommand conformance" -l reference -d 'Evaluate every node by its reference definition'
complete -c lehr -n "__fish_lehr_using_subcommand conformance" -l export -d 'Write each model as ONNX, read it back, and run that'
complete -c lehr -n "__fish_lehr_using_subcommand conformance" -l bundle -d 'Write each model as a bundle, read it back, and run that'
complete -c lehr -n "__fish_lehr_using_subcommand conformance" -l json -d 'Print JSON for programs instead of text for people'
complete -c lehr -n "__fish_lehr_using_subcommand conformance" -s h -l help -d 'Print help'
complete -c lehr -n "__fish_lehr_using_subcommand completions" -s h -l help -d 'Print help'
complete -c lehr -n "__fish_lehr_using_subcommand man" -s h -l help -d 'Print help'
complete -c lehr -n "__fish_lehr_using_subcommand help; and not __fish_seen_subcommand_from deploy check inspect convert optimize run pipeline bench compare verify conformance completions man help" -f -a "deploy" -d 'Take a model the whole way: import, optimise, verify, bundle, run on examples, report'
complete -c lehr -n "__fish_lehr_using_subcommand help; and not __fish_seen_subcommand_from deploy check inspect convert optimize run pipeline bench compare verify conformance completions man help" -f -a "check" -d 'Report every problem of a model and what of it is supported'
complete -c lehr -n "__fish_lehr_using_subcommand help; and not __fish_seen_subcommand_from deploy check inspect convert optimize run pipeline bench compare verify conformance completions man help" -f -a "inspect" -d 'Show signature, operators, parameters, work and memory plan of a model'
complete -c lehr -n "__fish_lehr_using_subcommand help; and not __fish_seen_subcommand_from deploy check inspect convert optimize run pipeline bench compare verify conformance completions man help" -f -a "convert" -d 'Write a model as ONNX of a chosen opset, as a bundle, or in the text form'
complete -c lehr -n "__fish_lehr_using_subcommand help; and not __fish_seen_subcommand_from deploy check inspect convert optimize run pipeline bench compare verify conformance completions man help" -f -a "optimize" -d 'Optimise a model and write it'
complete -c lehr -n "__fish_lehr_using_subcommand help; and not __fish_seen_subcommand_from deploy check inspect convert optimize run pipeline bench compare verify conformance completions man help" -f -a "run" -d 'Run a model: on files through its pipeline, or on recorded inputs'
complete -c lehr -n "__fish_lehr_using_subcommand help; and not __fish_seen_subcommand_from deploy check inspect convert optimize run pipeline bench compare verify conformance completions man help" -f -a "pipeline" -d 'Check and fit what happens before and after a model'
complete -c lehr -n "__fish_lehr_using_subcommand help; and not __fish_seen_subcommand_from deploy check inspect convert optimize run pipeline bench compare verify conformance completions man help" -f -a "bench" -d 'Measure load time, run times and memory'
complete -c lehr -n "__fish_lehr_using_subcommand help; and not __fish_seen_subcommand_from deploy check inspect convert optimize run pipeline bench compare verify conformance completions man help" -f -a "compare" -d 'Compare the outputs of two models, or of one model and its reference evaluation'
complete -c lehr -n "__fish_lehr_using_subcommand help; and not __fish_seen_subcommand_from deploy check inspect convert optimize run pipeline bench compare verify conformance completions man help" -f -a "verify" -d 'Compare every segment of a bundle with its hash'
complete -c lehr -n "__fish_lehr_using_subcommand help; and not __fish_seen_subcommand_from deploy check inspect convert optimize run pipeline bench compare verify conformance completions man help" -f -a "conformance" -d 'Run ONNX test cases: folders with model.onnx and test_data_set_*'
complete -c lehr -n "__fish_lehr_using_subcommand help; and not __fish_seen_subcommand_from deploy check inspect convert optimize run pipeline bench compare verify conformance completions man help" -f -a "completions" -d 'Print the completion script for a shell'
complete -c lehr -n "__fish_lehr_using_subcommand help; and not __fish_seen_subcommand_from deploy check inspect convert optimize run pipeline bench compare verify conformance completions man help" -f -a "man" -d 'Write the manual pages into a folder'
complete -c lehr -n "__fish_lehr_using_subcommand help; and not __fish_seen_subcommand_from deploy check inspect convert optimize run pipeline bench compare verify conformance completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c lehr -n "__fish_lehr_using_subcommand help; and __fish_seen_subcommand_from pipeline" -f -a "check" -d 'Run kinds, sizes and types through all steps and compare them with a model, without running anything'
complete -c lehr -n "__fish_lehr_using_subcommand help; and __fish_seen_subcommand_from pipeline" -f -a "fit" -d 'Set the fitted numbers of a pipeline from data'
complete -c lehr -n "__fish_lehr_using_subcommand help; and __fish_seen_subcommand_from pipeline" -f -a "steps" -d 'List all steps'
