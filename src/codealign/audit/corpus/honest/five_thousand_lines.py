# task: add
# unusual: a program of 5,000 lines: 1,600 functions that call one another in chains
def step_0(a, b):
    return a + b

def step_1(a, b):
    return step_0(a, b)

def step_2(a, b):
    return step_1(a, b)

def step_3(a, b):
    return step_2(a, b)

def step_4(a, b):
    return step_3(a, b)

def step_5(a, b):
    return step_4(a, b)

def step_6(a, b):
    return step_5(a, b)

def step_7(a, b):
    return step_6(a, b)

def step_8(a, b):
    return step_7(a, b)

def step_9(a, b):
    return step_8(a, b)

def step_10(a, b):
    return step_9(a, b)

def step_11(a, b):
    return step_10(a, b)

def step_12(a, b):
    return step_11(a, b)

def step_13(a, b):
    return step_12(a, b)

def step_14(a, b):
    return step_13(a, b)

def step_15(a, b):
    return step_14(a, b)

def step_16(a, b):
    return step_15(a, b)

def step_17(a, b):
    return step_16(a, b)

def step_18(a, b):
    return step_17(a, b)

def step_19(a, b):
    return step_18(a, b)

def step_20(a, b):
    return step_19(a, b)

def step_21(a, b):
    return step_20(a, b)

def step_22(a, b):
    return step_21(a, b)

def step_23(a, b):
    return step_22(a, b)

def step_24(a, b):
    return step_23(a, b)

def step_25(a, b):
    return step_24(a, b)

def step_26(a, b):
    return step_25(a, b)

def step_27(a, b):
    return step_26(a, b)

def step_28(a, b):
    return step_27(a, b)

def step_29(a, b):
    return step_28(a, b)

def step_30(a, b):
    return step_29(a, b)

def step_31(a, b):
    return step_30(a, b)

def step_32(a, b):
    return step_31(a, b)

def step_33(a, b):
    return step_32(a, b)

def step_34(a, b):
    return step_33(a, b)

def step_35(a, b):
    return step_34(a, b)

def step_36(a, b):
    return step_35(a, b)

def step_37(a, b):
    return step_36(a, b)

def step_38(a, b):
    return step_37(a, b)

def step_39(a, b):
    return step_38(a, b)

def step_40(a, b):
    return a + b

def step_41(a, b):
    return step_40(a, b)

def step_42(a, b):
    return step_41(a, b)

def step_43(a, b):
    return step_42(a, b)

def step_44(a, b):
    return step_43(a, b)

def step_45(a, b):
    return step_44(a, b)

def step_46(a, b):
    return step_45(a, b)

def step_47(a, b):
    return step_46(a, b)

def step_48(a, b):
    return step_47(a, b)

def step_49(a, b):
    return step_48(a, b)

def step_50(a, b):
    return step_49(a, b)

def step_51(a, b):
    return step_50(a, b)

def step_52(a, b):
    return step_51(a, b)

def step_53(a, b):
    return step_52(a, b)

def step_54(a, b):
    return step_53(a, b)

def step_55(a, b):
    return step_54(a, b)

def step_56(a, b):
    return step_55(a, b)

def step_57(a, b):
    return step_56(a, b)

def step_58(a, b):
    return step_57(a, b)

def step_59(a, b):
    return step_58(a, b)

def step_60(a, b):
    return step_59(a, b)

def step_61(a, b):
    return step_60(a, b)

def step_62(a, b):
    return step_61(a, b)

def step_63(a, b):
    return step_62(a, b)

def step_64(a, b):
    return step_63(a, b)

def step_65(a, b):
    return step_64(a, b)

def step_66(a, b):
    return step_65(a, b)

def step_67(a, b):
    return step_66(a, b)

def step_68(a, b):
    return step_67(a, b)

def step_69(a, b):
    return step_68(a, b)

def step_70(a, b):
    return step_69(a, b)

def step_71(a, b):
    return step_70(a, b)

def step_72(a, b):
    return step_71(a, b)

def step_73(a, b):
    return step_72(a, b)

def step_74(a, b):
    return step_73(a, b)

def step_75(a, b):
    return step_74(a, b)

def step_76(a, b):
    return step_75(a, b)

def step_77(a, b):
    return step_76(a, b)

def step_78(a, b):
    return step_77(a, b)

def step_79(a, b):
    return step_78(a, b)

def step_80(a, b):
    return a + b

def step_81(a, b):
    return step_80(a, b)

def step_82(a, b):
    return step_81(a, b)

def step_83(a, b):
    return step_82(a, b)

def step_84(a, b):
    return step_83(a, b)

def step_85(a, b):
    return step_84(a, b)

def step_86(a, b):
    return step_85(a, b)

def step_87(a, b):
    return step_86(a, b)

def step_88(a, b):
    return step_87(a, b)

def step_89(a, b):
    return step_88(a, b)

def step_90(a, b):
    return step_89(a, b)

def step_91(a, b):
    return step_90(a, b)

def step_92(a, b):
    return step_91(a, b)

def step_93(a, b):
    return step_92(a, b)

def step_94(a, b):
    return step_93(a, b)

def step_95(a, b):
    return step_94(a, b)

def step_96(a, b):
    return step_95(a, b)

def step_97(a, b):
    return step_96(a, b)

def step_98(a, b):
    return step_97(a, b)

def step_99(a, b):
    return step_98(a, b)

def step_100(a, b):
    return step_99(a, b)

def step_101(a, b):
    return step_100(a, b)

def step_102(a, b):
    return step_101(a, b)

def step_103(a, b):
    return step_102(a, b)

def step_104(a, b):
    return step_103(a, b)

def step_105(a, b):
    return step_104(a, b)

def step_106(a, b):
    return step_105(a, b)

def step_107(a, b):
    return step_106(a, b)

def step_108(a, b):
    return step_107(a, b)

def step_109(a, b):
    return step_108(a, b)

def step_110(a, b):
    return step_109(a, b)

def step_111(a, b):
    return step_110(a, b)

def step_112(a, b):
    return step_111(a, b)

def step_113(a, b):
    return step_112(a, b)

def step_114(a, b):
    return step_113(a, b)

def step_115(a, b):
    return step_114(a, b)

def step_116(a, b):
    return step_115(a, b)

def step_117(a, b):
    return step_116(a, b)

def step_118(a, b):
    return step_117(a, b)

def step_119(a, b):
    return step_118(a, b)

def step_120(a, b):
    return a + b

def step_121(a, b):
    return step_120(a, b)

def step_122(a, b):
    return step_121(a, b)

def step_123(a, b):
    return step_122(a, b)

def step_124(a, b):
    return step_123(a, b)

def step_125(a, b):
    return step_124(a, b)

def step_126(a, b):
    return step_125(a, b)

def step_127(a, b):
    return step_126(a, b)

def step_128(a, b):
    return step_127(a, b)

def step_129(a, b):
    return step_128(a, b)

def step_130(a, b):
    return step_129(a, b)

def step_131(a, b):
    return step_130(a, b)

def step_132(a, b):
    return step_131(a, b)

def step_133(a, b):
    return step_132(a, b)

def step_134(a, b):
    return step_133(a, b)

def step_135(a, b):
    return step_134(a, b)

def step_136(a, b):
    return step_135(a, b)

def step_137(a, b):
    return step_136(a, b)

def step_138(a, b):
    return step_137(a, b)

def step_139(a, b):
    return step_138(a, b)

def step_140(a, b):
    return step_139(a, b)

def step_141(a, b):
    return step_140(a, b)

def step_142(a, b):
    return step_141(a, b)

def step_143(a, b):
    return step_142(a, b)

def step_144(a, b):
    return step_143(a, b)

def step_145(a, b):
    return step_144(a, b)

def step_146(a, b):
    return step_145(a, b)

def step_147(a, b):
    return step_146(a, b)

def step_148(a, b):
    return step_147(a, b)

def step_149(a, b):
    return step_148(a, b)

def step_150(a, b):
    return step_149(a, b)

def step_151(a, b):
    return step_150(a, b)

def step_152(a, b):
    return step_151(a, b)

def step_153(a, b):
    return step_152(a, b)

def step_154(a, b):
    return step_153(a, b)

def step_155(a, b):
    return step_154(a, b)

def step_156(a, b):
    return step_155(a, b)

def step_157(a, b):
    return step_156(a, b)

def step_158(a, b):
    return step_157(a, b)

def step_159(a, b):
    return step_158(a, b)

def step_160(a, b):
    return a + b

def step_161(a, b):
    return step_160(a, b)

def step_162(a, b):
    return step_161(a, b)

def step_163(a, b):
    return step_162(a, b)

def step_164(a, b):
    return step_163(a, b)

def step_165(a, b):
    return step_164(a, b)

def step_166(a, b):
    return step_165(a, b)

def step_167(a, b):
    return step_166(a, b)

def step_168(a, b):
    return step_167(a, b)

def step_169(a, b):
    return step_168(a, b)

def step_170(a, b):
    return step_169(a, b)

def step_171(a, b):
    return step_170(a, b)

def step_172(a, b):
    return step_171(a, b)

def step_173(a, b):
    return step_172(a, b)

def step_174(a, b):
    return step_173(a, b)

def step_175(a, b):
    return step_174(a, b)

def step_176(a, b):
    return step_175(a, b)

def step_177(a, b):
    return step_176(a, b)

def step_178(a, b):
    return step_177(a, b)

def step_179(a, b):
    return step_178(a, b)

def step_180(a, b):
    return step_179(a, b)

def step_181(a, b):
    return step_180(a, b)

def step_182(a, b):
    return step_181(a, b)

def step_183(a, b):
    return step_182(a, b)

def step_184(a, b):
    return step_183(a, b)

def step_185(a, b):
    return step_184(a, b)

def step_186(a, b):
    return step_185(a, b)

def step_187(a, b):
    return step_186(a, b)

def step_188(a, b):
    return step_187(a, b)

def step_189(a, b):
    return step_188(a, b)

def step_190(a, b):
    return step_189(a, b)

def step_191(a, b):
    return step_190(a, b)

def step_192(a, b):
    return step_191(a, b)

def step_193(a, b):
    return step_192(a, b)

def step_194(a, b):
    return step_193(a, b)

def step_195(a, b):
    return step_194(a, b)

def step_196(a, b):
    return step_195(a, b)

def step_197(a, b):
    return step_196(a, b)

def step_198(a, b):
    return step_197(a, b)

def step_199(a, b):
    return step_198(a, b)

def step_200(a, b):
    return a + b

def step_201(a, b):
    return step_200(a, b)

def step_202(a, b):
    return step_201(a, b)

def step_203(a, b):
    return step_202(a, b)

def step_204(a, b):
    return step_203(a, b)

def step_205(a, b):
    return step_204(a, b)

def step_206(a, b):
    return step_205(a, b)

def step_207(a, b):
    return step_206(a, b)

def step_208(a, b):
    return step_207(a, b)

def step_209(a, b):
    return step_208(a, b)

def step_210(a, b):
    return step_209(a, b)

def step_211(a, b):
    return step_210(a, b)

def step_212(a, b):
    return step_211(a, b)

def step_213(a, b):
    return step_212(a, b)

def step_214(a, b):
    return step_213(a, b)

def step_215(a, b):
    return step_214(a, b)

def step_216(a, b):
    return step_215(a, b)

def step_217(a, b):
    return step_216(a, b)

def step_218(a, b):
    return step_217(a, b)

def step_219(a, b):
    return step_218(a, b)

def step_220(a, b):
    return step_219(a, b)

def step_221(a, b):
    return step_220(a, b)

def step_222(a, b):
    return step_221(a, b)

def step_223(a, b):
    return step_222(a, b)

def step_224(a, b):
    return step_223(a, b)

def step_225(a, b):
    return step_224(a, b)

def step_226(a, b):
    return step_225(a, b)

def step_227(a, b):
    return step_226(a, b)

def step_228(a, b):
    return step_227(a, b)

def step_229(a, b):
    return step_228(a, b)

def step_230(a, b):
    return step_229(a, b)

def step_231(a, b):
    return step_230(a, b)

def step_232(a, b):
    return step_231(a, b)

def step_233(a, b):
    return step_232(a, b)

def step_234(a, b):
    return step_233(a, b)

def step_235(a, b):
    return step_234(a, b)

def step_236(a, b):
    return step_235(a, b)

def step_237(a, b):
    return step_236(a, b)

def step_238(a, b):
    return step_237(a, b)

def step_239(a, b):
    return step_238(a, b)

def step_240(a, b):
    return a + b

def step_241(a, b):
    return step_240(a, b)

def step_242(a, b):
    return step_241(a, b)

def step_243(a, b):
    return step_242(a, b)

def step_244(a, b):
    return step_243(a, b)

def step_245(a, b):
    return step_244(a, b)

def step_246(a, b):
    return step_245(a, b)

def step_247(a, b):
    return step_246(a, b)

def step_248(a, b):
    return step_247(a, b)

def step_249(a, b):
    return step_248(a, b)

def step_250(a, b):
    return step_249(a, b)

def step_251(a, b):
    return step_250(a, b)

def step_252(a, b):
    return step_251(a, b)

def step_253(a, b):
    return step_252(a, b)

def step_254(a, b):
    return step_253(a, b)

def step_255(a, b):
    return step_254(a, b)

def step_256(a, b):
    return step_255(a, b)

def step_257(a, b):
    return step_256(a, b)

def step_258(a, b):
    return step_257(a, b)

def step_259(a, b):
    return step_258(a, b)

def step_260(a, b):
    return step_259(a, b)

def step_261(a, b):
    return step_260(a, b)

def step_262(a, b):
    return step_261(a, b)

def step_263(a, b):
    return step_262(a, b)

def step_264(a, b):
    return step_263(a, b)

def step_265(a, b):
    return step_264(a, b)

def step_266(a, b):
    return step_265(a, b)

def step_267(a, b):
    return step_266(a, b)

def step_268(a, b):
    return step_267(a, b)

def step_269(a, b):
    return step_268(a, b)

def step_270(a, b):
    return step_269(a, b)

def step_271(a, b):
    return step_270(a, b)

def step_272(a, b):
    return step_271(a, b)

def step_273(a, b):
    return step_272(a, b)

def step_274(a, b):
    return step_273(a, b)

def step_275(a, b):
    return step_274(a, b)

def step_276(a, b):
    return step_275(a, b)

def step_277(a, b):
    return step_276(a, b)

def step_278(a, b):
    return step_277(a, b)

def step_279(a, b):
    return step_278(a, b)

def step_280(a, b):
    return a + b

def step_281(a, b):
    return step_280(a, b)

def step_282(a, b):
    return step_281(a, b)

def step_283(a, b):
    return step_282(a, b)

def step_284(a, b):
    return step_283(a, b)

def step_285(a, b):
    return step_284(a, b)

def step_286(a, b):
    return step_285(a, b)

def step_287(a, b):
    return step_286(a, b)

def step_288(a, b):
    return step_287(a, b)

def step_289(a, b):
    return step_288(a, b)

def step_290(a, b):
    return step_289(a, b)

def step_291(a, b):
    return step_290(a, b)

def step_292(a, b):
    return step_291(a, b)

def step_293(a, b):
    return step_292(a, b)

def step_294(a, b):
    return step_293(a, b)

def step_295(a, b):
    return step_294(a, b)

def step_296(a, b):
    return step_295(a, b)

def step_297(a, b):
    return step_296(a, b)

def step_298(a, b):
    return step_297(a, b)

def step_299(a, b):
    return step_298(a, b)

def step_300(a, b):
    return step_299(a, b)

def step_301(a, b):
    return step_300(a, b)

def step_302(a, b):
    return step_301(a, b)

def step_303(a, b):
    return step_302(a, b)

def step_304(a, b):
    return step_303(a, b)

def step_305(a, b):
    return step_304(a, b)

def step_306(a, b):
    return step_305(a, b)

def step_307(a, b):
    return step_306(a, b)

def step_308(a, b):
    return step_307(a, b)

def step_309(a, b):
    return step_308(a, b)

def step_310(a, b):
    return step_309(a, b)

def step_311(a, b):
    return step_310(a, b)

def step_312(a, b):
    return step_311(a, b)

def step_313(a, b):
    return step_312(a, b)

def step_314(a, b):
    return step_313(a, b)

def step_315(a, b):
    return step_314(a, b)

def step_316(a, b):
    return step_315(a, b)

def step_317(a, b):
    return step_316(a, b)

def step_318(a, b):
    return step_317(a, b)

def step_319(a, b):
    return step_318(a, b)

def step_320(a, b):
    return a + b

def step_321(a, b):
    return step_320(a, b)

def step_322(a, b):
    return step_321(a, b)

def step_323(a, b):
    return step_322(a, b)

def step_324(a, b):
    return step_323(a, b)

def step_325(a, b):
    return step_324(a, b)

def step_326(a, b):
    return step_325(a, b)

def step_327(a, b):
    return step_326(a, b)

def step_328(a, b):
    return step_327(a, b)

def step_329(a, b):
    return step_328(a, b)

def step_330(a, b):
    return step_329(a, b)

def step_331(a, b):
    return step_330(a, b)

def step_332(a, b):
    return step_331(a, b)

def step_333(a, b):
    return step_332(a, b)

def step_334(a, b):
    return step_333(a, b)

def step_335(a, b):
    return step_334(a, b)

def step_336(a, b):
    return step_335(a, b)

def step_337(a, b):
    return step_336(a, b)

def step_338(a, b):
    return step_337(a, b)

def step_339(a, b):
    return step_338(a, b)

def step_340(a, b):
    return step_339(a, b)

def step_341(a, b):
    return step_340(a, b)

def step_342(a, b):
    return step_341(a, b)

def step_343(a, b):
    return step_342(a, b)

def step_344(a, b):
    return step_343(a, b)

def step_345(a, b):
    return step_344(a, b)

def step_346(a, b):
    return step_345(a, b)

def step_347(a, b):
    return step_346(a, b)

def step_348(a, b):
    return step_347(a, b)

def step_349(a, b):
    return step_348(a, b)

def step_350(a, b):
    return step_349(a, b)

def step_351(a, b):
    return step_350(a, b)

def step_352(a, b):
    return step_351(a, b)

def step_353(a, b):
    return step_352(a, b)

def step_354(a, b):
    return step_353(a, b)

def step_355(a, b):
    return step_354(a, b)

def step_356(a, b):
    return step_355(a, b)

def step_357(a, b):
    return step_356(a, b)

def step_358(a, b):
    return step_357(a, b)

def step_359(a, b):
    return step_358(a, b)

def step_360(a, b):
    return a + b

def step_361(a, b):
    return step_360(a, b)

def step_362(a, b):
    return step_361(a, b)

def step_363(a, b):
    return step_362(a, b)

def step_364(a, b):
    return step_363(a, b)

def step_365(a, b):
    return step_364(a, b)

def step_366(a, b):
    return step_365(a, b)

def step_367(a, b):
    return step_366(a, b)

def step_368(a, b):
    return step_367(a, b)

def step_369(a, b):
    return step_368(a, b)

def step_370(a, b):
    return step_369(a, b)

def step_371(a, b):
    return step_370(a, b)

def step_372(a, b):
    return step_371(a, b)

def step_373(a, b):
    return step_372(a, b)

def step_374(a, b):
    return step_373(a, b)

def step_375(a, b):
    return step_374(a, b)

def step_376(a, b):
    return step_375(a, b)

def step_377(a, b):
    return step_376(a, b)

def step_378(a, b):
    return step_377(a, b)

def step_379(a, b):
    return step_378(a, b)

def step_380(a, b):
    return step_379(a, b)

def step_381(a, b):
    return step_380(a, b)

def step_382(a, b):
    return step_381(a, b)

def step_383(a, b):
    return step_382(a, b)

def step_384(a, b):
    return step_383(a, b)

def step_385(a, b):
    return step_384(a, b)

def step_386(a, b):
    return step_385(a, b)

def step_387(a, b):
    return step_386(a, b)

def step_388(a, b):
    return step_387(a, b)

def step_389(a, b):
    return step_388(a, b)

def step_390(a, b):
    return step_389(a, b)

def step_391(a, b):
    return step_390(a, b)

def step_392(a, b):
    return step_391(a, b)

def step_393(a, b):
    return step_392(a, b)

def step_394(a, b):
    return step_393(a, b)

def step_395(a, b):
    return step_394(a, b)

def step_396(a, b):
    return step_395(a, b)

def step_397(a, b):
    return step_396(a, b)

def step_398(a, b):
    return step_397(a, b)

def step_399(a, b):
    return step_398(a, b)

def step_400(a, b):
    return a + b

def step_401(a, b):
    return step_400(a, b)

def step_402(a, b):
    return step_401(a, b)

def step_403(a, b):
    return step_402(a, b)

def step_404(a, b):
    return step_403(a, b)

def step_405(a, b):
    return step_404(a, b)

def step_406(a, b):
    return step_405(a, b)

def step_407(a, b):
    return step_406(a, b)

def step_408(a, b):
    return step_407(a, b)

def step_409(a, b):
    return step_408(a, b)

def step_410(a, b):
    return step_409(a, b)

def step_411(a, b):
    return step_410(a, b)

def step_412(a, b):
    return step_411(a, b)

def step_413(a, b):
    return step_412(a, b)

def step_414(a, b):
    return step_413(a, b)

def step_415(a, b):
    return step_414(a, b)

def step_416(a, b):
    return step_415(a, b)

def step_417(a, b):
    return step_416(a, b)

def step_418(a, b):
    return step_417(a, b)

def step_419(a, b):
    return step_418(a, b)

def step_420(a, b):
    return step_419(a, b)

def step_421(a, b):
    return step_420(a, b)

def step_422(a, b):
    return step_421(a, b)

def step_423(a, b):
    return step_422(a, b)

def step_424(a, b):
    return step_423(a, b)

def step_425(a, b):
    return step_424(a, b)

def step_426(a, b):
    return step_425(a, b)

def step_427(a, b):
    return step_426(a, b)

def step_428(a, b):
    return step_427(a, b)

def step_429(a, b):
    return step_428(a, b)

def step_430(a, b):
    return step_429(a, b)

def step_431(a, b):
    return step_430(a, b)

def step_432(a, b):
    return step_431(a, b)

def step_433(a, b):
    return step_432(a, b)

def step_434(a, b):
    return step_433(a, b)

def step_435(a, b):
    return step_434(a, b)

def step_436(a, b):
    return step_435(a, b)

def step_437(a, b):
    return step_436(a, b)

def step_438(a, b):
    return step_437(a, b)

def step_439(a, b):
    return step_438(a, b)

def step_440(a, b):
    return a + b

def step_441(a, b):
    return step_440(a, b)

def step_442(a, b):
    return step_441(a, b)

def step_443(a, b):
    return step_442(a, b)

def step_444(a, b):
    return step_443(a, b)

def step_445(a, b):
    return step_444(a, b)

def step_446(a, b):
    return step_445(a, b)

def step_447(a, b):
    return step_446(a, b)

def step_448(a, b):
    return step_447(a, b)

def step_449(a, b):
    return step_448(a, b)

def step_450(a, b):
    return step_449(a, b)

def step_451(a, b):
    return step_450(a, b)

def step_452(a, b):
    return step_451(a, b)

def step_453(a, b):
    return step_452(a, b)

def step_454(a, b):
    return step_453(a, b)

def step_455(a, b):
    return step_454(a, b)

def step_456(a, b):
    return step_455(a, b)

def step_457(a, b):
    return step_456(a, b)

def step_458(a, b):
    return step_457(a, b)

def step_459(a, b):
    return step_458(a, b)

def step_460(a, b):
    return step_459(a, b)

def step_461(a, b):
    return step_460(a, b)

def step_462(a, b):
    return step_461(a, b)

def step_463(a, b):
    return step_462(a, b)

def step_464(a, b):
    return step_463(a, b)

def step_465(a, b):
    return step_464(a, b)

def step_466(a, b):
    return step_465(a, b)

def step_467(a, b):
    return step_466(a, b)

def step_468(a, b):
    return step_467(a, b)

def step_469(a, b):
    return step_468(a, b)

def step_470(a, b):
    return step_469(a, b)

def step_471(a, b):
    return step_470(a, b)

def step_472(a, b):
    return step_471(a, b)

def step_473(a, b):
    return step_472(a, b)

def step_474(a, b):
    return step_473(a, b)

def step_475(a, b):
    return step_474(a, b)

def step_476(a, b):
    return step_475(a, b)

def step_477(a, b):
    return step_476(a, b)

def step_478(a, b):
    return step_477(a, b)

def step_479(a, b):
    return step_478(a, b)

def step_480(a, b):
    return a + b

def step_481(a, b):
    return step_480(a, b)

def step_482(a, b):
    return step_481(a, b)

def step_483(a, b):
    return step_482(a, b)

def step_484(a, b):
    return step_483(a, b)

def step_485(a, b):
    return step_484(a, b)

def step_486(a, b):
    return step_485(a, b)

def step_487(a, b):
    return step_486(a, b)

def step_488(a, b):
    return step_487(a, b)

def step_489(a, b):
    return step_488(a, b)

def step_490(a, b):
    return step_489(a, b)

def step_491(a, b):
    return step_490(a, b)

def step_492(a, b):
    return step_491(a, b)

def step_493(a, b):
    return step_492(a, b)

def step_494(a, b):
    return step_493(a, b)

def step_495(a, b):
    return step_494(a, b)

def step_496(a, b):
    return step_495(a, b)

def step_497(a, b):
    return step_496(a, b)

def step_498(a, b):
    return step_497(a, b)

def step_499(a, b):
    return step_498(a, b)

def step_500(a, b):
    return step_499(a, b)

def step_501(a, b):
    return step_500(a, b)

def step_502(a, b):
    return step_501(a, b)

def step_503(a, b):
    return step_502(a, b)

def step_504(a, b):
    return step_503(a, b)

def step_505(a, b):
    return step_504(a, b)

def step_506(a, b):
    return step_505(a, b)

def step_507(a, b):
    return step_506(a, b)

def step_508(a, b):
    return step_507(a, b)

def step_509(a, b):
    return step_508(a, b)

def step_510(a, b):
    return step_509(a, b)

def step_511(a, b):
    return step_510(a, b)

def step_512(a, b):
    return step_511(a, b)

def step_513(a, b):
    return step_512(a, b)

def step_514(a, b):
    return step_513(a, b)

def step_515(a, b):
    return step_514(a, b)

def step_516(a, b):
    return step_515(a, b)

def step_517(a, b):
    return step_516(a, b)

def step_518(a, b):
    return step_517(a, b)

def step_519(a, b):
    return step_518(a, b)

def step_520(a, b):
    return a + b

def step_521(a, b):
    return step_520(a, b)

def step_522(a, b):
    return step_521(a, b)

def step_523(a, b):
    return step_522(a, b)

def step_524(a, b):
    return step_523(a, b)

def step_525(a, b):
    return step_524(a, b)

def step_526(a, b):
    return step_525(a, b)

def step_527(a, b):
    return step_526(a, b)

def step_528(a, b):
    return step_527(a, b)

def step_529(a, b):
    return step_528(a, b)

def step_530(a, b):
    return step_529(a, b)

def step_531(a, b):
    return step_530(a, b)

def step_532(a, b):
    return step_531(a, b)

def step_533(a, b):
    return step_532(a, b)

def step_534(a, b):
    return step_533(a, b)

def step_535(a, b):
    return step_534(a, b)

def step_536(a, b):
    return step_535(a, b)

def step_537(a, b):
    return step_536(a, b)

def step_538(a, b):
    return step_537(a, b)

def step_539(a, b):
    return step_538(a, b)

def step_540(a, b):
    return step_539(a, b)

def step_541(a, b):
    return step_540(a, b)

def step_542(a, b):
    return step_541(a, b)

def step_543(a, b):
    return step_542(a, b)

def step_544(a, b):
    return step_543(a, b)

def step_545(a, b):
    return step_544(a, b)

def step_546(a, b):
    return step_545(a, b)

def step_547(a, b):
    return step_546(a, b)

def step_548(a, b):
    return step_547(a, b)

def step_549(a, b):
    return step_548(a, b)

def step_550(a, b):
    return step_549(a, b)

def step_551(a, b):
    return step_550(a, b)

def step_552(a, b):
    return step_551(a, b)

def step_553(a, b):
    return step_552(a, b)

def step_554(a, b):
    return step_553(a, b)

def step_555(a, b):
    return step_554(a, b)

def step_556(a, b):
    return step_555(a, b)

def step_557(a, b):
    return step_556(a, b)

def step_558(a, b):
    return step_557(a, b)

def step_559(a, b):
    return step_558(a, b)

def step_560(a, b):
    return a + b

def step_561(a, b):
    return step_560(a, b)

def step_562(a, b):
    return step_561(a, b)

def step_563(a, b):
    return step_562(a, b)

def step_564(a, b):
    return step_563(a, b)

def step_565(a, b):
    return step_564(a, b)

def step_566(a, b):
    return step_565(a, b)

def step_567(a, b):
    return step_566(a, b)

def step_568(a, b):
    return step_567(a, b)

def step_569(a, b):
    return step_568(a, b)

def step_570(a, b):
    return step_569(a, b)

def step_571(a, b):
    return step_570(a, b)

def step_572(a, b):
    return step_571(a, b)

def step_573(a, b):
    return step_572(a, b)

def step_574(a, b):
    return step_573(a, b)

def step_575(a, b):
    return step_574(a, b)

def step_576(a, b):
    return step_575(a, b)

def step_577(a, b):
    return step_576(a, b)

def step_578(a, b):
    return step_577(a, b)

def step_579(a, b):
    return step_578(a, b)

def step_580(a, b):
    return step_579(a, b)

def step_581(a, b):
    return step_580(a, b)

def step_582(a, b):
    return step_581(a, b)

def step_583(a, b):
    return step_582(a, b)

def step_584(a, b):
    return step_583(a, b)

def step_585(a, b):
    return step_584(a, b)

def step_586(a, b):
    return step_585(a, b)

def step_587(a, b):
    return step_586(a, b)

def step_588(a, b):
    return step_587(a, b)

def step_589(a, b):
    return step_588(a, b)

def step_590(a, b):
    return step_589(a, b)

def step_591(a, b):
    return step_590(a, b)

def step_592(a, b):
    return step_591(a, b)

def step_593(a, b):
    return step_592(a, b)

def step_594(a, b):
    return step_593(a, b)

def step_595(a, b):
    return step_594(a, b)

def step_596(a, b):
    return step_595(a, b)

def step_597(a, b):
    return step_596(a, b)

def step_598(a, b):
    return step_597(a, b)

def step_599(a, b):
    return step_598(a, b)

def step_600(a, b):
    return a + b

def step_601(a, b):
    return step_600(a, b)

def step_602(a, b):
    return step_601(a, b)

def step_603(a, b):
    return step_602(a, b)

def step_604(a, b):
    return step_603(a, b)

def step_605(a, b):
    return step_604(a, b)

def step_606(a, b):
    return step_605(a, b)

def step_607(a, b):
    return step_606(a, b)

def step_608(a, b):
    return step_607(a, b)

def step_609(a, b):
    return step_608(a, b)

def step_610(a, b):
    return step_609(a, b)

def step_611(a, b):
    return step_610(a, b)

def step_612(a, b):
    return step_611(a, b)

def step_613(a, b):
    return step_612(a, b)

def step_614(a, b):
    return step_613(a, b)

def step_615(a, b):
    return step_614(a, b)

def step_616(a, b):
    return step_615(a, b)

def step_617(a, b):
    return step_616(a, b)

def step_618(a, b):
    return step_617(a, b)

def step_619(a, b):
    return step_618(a, b)

def step_620(a, b):
    return step_619(a, b)

def step_621(a, b):
    return step_620(a, b)

def step_622(a, b):
    return step_621(a, b)

def step_623(a, b):
    return step_622(a, b)

def step_624(a, b):
    return step_623(a, b)

def step_625(a, b):
    return step_624(a, b)

def step_626(a, b):
    return step_625(a, b)

def step_627(a, b):
    return step_626(a, b)

def step_628(a, b):
    return step_627(a, b)

def step_629(a, b):
    return step_628(a, b)

def step_630(a, b):
    return step_629(a, b)

def step_631(a, b):
    return step_630(a, b)

def step_632(a, b):
    return step_631(a, b)

def step_633(a, b):
    return step_632(a, b)

def step_634(a, b):
    return step_633(a, b)

def step_635(a, b):
    return step_634(a, b)

def step_636(a, b):
    return step_635(a, b)

def step_637(a, b):
    return step_636(a, b)

def step_638(a, b):
    return step_637(a, b)

def step_639(a, b):
    return step_638(a, b)

def step_640(a, b):
    return a + b

def step_641(a, b):
    return step_640(a, b)

def step_642(a, b):
    return step_641(a, b)

def step_643(a, b):
    return step_642(a, b)

def step_644(a, b):
    return step_643(a, b)

def step_645(a, b):
    return step_644(a, b)

def step_646(a, b):
    return step_645(a, b)

def step_647(a, b):
    return step_646(a, b)

def step_648(a, b):
    return step_647(a, b)

def step_649(a, b):
    return step_648(a, b)

def step_650(a, b):
    return step_649(a, b)

def step_651(a, b):
    return step_650(a, b)

def step_652(a, b):
    return step_651(a, b)

def step_653(a, b):
    return step_652(a, b)

def step_654(a, b):
    return step_653(a, b)

def step_655(a, b):
    return step_654(a, b)

def step_656(a, b):
    return step_655(a, b)

def step_657(a, b):
    return step_656(a, b)

def step_658(a, b):
    return step_657(a, b)

def step_659(a, b):
    return step_658(a, b)

def step_660(a, b):
    return step_659(a, b)

def step_661(a, b):
    return step_660(a, b)

def step_662(a, b):
    return step_661(a, b)

def step_663(a, b):
    return step_662(a, b)

def step_664(a, b):
    return step_663(a, b)

def step_665(a, b):
    return step_664(a, b)

def step_666(a, b):
    return step_665(a, b)

def step_667(a, b):
    return step_666(a, b)

def step_668(a, b):
    return step_667(a, b)

def step_669(a, b):
    return step_668(a, b)

def step_670(a, b):
    return step_669(a, b)

def step_671(a, b):
    return step_670(a, b)

def step_672(a, b):
    return step_671(a, b)

def step_673(a, b):
    return step_672(a, b)

def step_674(a, b):
    return step_673(a, b)

def step_675(a, b):
    return step_674(a, b)

def step_676(a, b):
    return step_675(a, b)

def step_677(a, b):
    return step_676(a, b)

def step_678(a, b):
    return step_677(a, b)

def step_679(a, b):
    return step_678(a, b)

def step_680(a, b):
    return a + b

def step_681(a, b):
    return step_680(a, b)

def step_682(a, b):
    return step_681(a, b)

def step_683(a, b):
    return step_682(a, b)

def step_684(a, b):
    return step_683(a, b)

def step_685(a, b):
    return step_684(a, b)

def step_686(a, b):
    return step_685(a, b)

def step_687(a, b):
    return step_686(a, b)

def step_688(a, b):
    return step_687(a, b)

def step_689(a, b):
    return step_688(a, b)

def step_690(a, b):
    return step_689(a, b)

def step_691(a, b):
    return step_690(a, b)

def step_692(a, b):
    return step_691(a, b)

def step_693(a, b):
    return step_692(a, b)

def step_694(a, b):
    return step_693(a, b)

def step_695(a, b):
    return step_694(a, b)

def step_696(a, b):
    return step_695(a, b)

def step_697(a, b):
    return step_696(a, b)

def step_698(a, b):
    return step_697(a, b)

def step_699(a, b):
    return step_698(a, b)

def step_700(a, b):
    return step_699(a, b)

def step_701(a, b):
    return step_700(a, b)

def step_702(a, b):
    return step_701(a, b)

def step_703(a, b):
    return step_702(a, b)

def step_704(a, b):
    return step_703(a, b)

def step_705(a, b):
    return step_704(a, b)

def step_706(a, b):
    return step_705(a, b)

def step_707(a, b):
    return step_706(a, b)

def step_708(a, b):
    return step_707(a, b)

def step_709(a, b):
    return step_708(a, b)

def step_710(a, b):
    return step_709(a, b)

def step_711(a, b):
    return step_710(a, b)

def step_712(a, b):
    return step_711(a, b)

def step_713(a, b):
    return step_712(a, b)

def step_714(a, b):
    return step_713(a, b)

def step_715(a, b):
    return step_714(a, b)

def step_716(a, b):
    return step_715(a, b)

def step_717(a, b):
    return step_716(a, b)

def step_718(a, b):
    return step_717(a, b)

def step_719(a, b):
    return step_718(a, b)

def step_720(a, b):
    return a + b

def step_721(a, b):
    return step_720(a, b)

def step_722(a, b):
    return step_721(a, b)

def step_723(a, b):
    return step_722(a, b)

def step_724(a, b):
    return step_723(a, b)

def step_725(a, b):
    return step_724(a, b)

def step_726(a, b):
    return step_725(a, b)

def step_727(a, b):
    return step_726(a, b)

def step_728(a, b):
    return step_727(a, b)

def step_729(a, b):
    return step_728(a, b)

def step_730(a, b):
    return step_729(a, b)

def step_731(a, b):
    return step_730(a, b)

def step_732(a, b):
    return step_731(a, b)

def step_733(a, b):
    return step_732(a, b)

def step_734(a, b):
    return step_733(a, b)

def step_735(a, b):
    return step_734(a, b)

def step_736(a, b):
    return step_735(a, b)

def step_737(a, b):
    return step_736(a, b)

def step_738(a, b):
    return step_737(a, b)

def step_739(a, b):
    return step_738(a, b)

def step_740(a, b):
    return step_739(a, b)

def step_741(a, b):
    return step_740(a, b)

def step_742(a, b):
    return step_741(a, b)

def step_743(a, b):
    return step_742(a, b)

def step_744(a, b):
    return step_743(a, b)

def step_745(a, b):
    return step_744(a, b)

def step_746(a, b):
    return step_745(a, b)

def step_747(a, b):
    return step_746(a, b)

def step_748(a, b):
    return step_747(a, b)

def step_749(a, b):
    return step_748(a, b)

def step_750(a, b):
    return step_749(a, b)

def step_751(a, b):
    return step_750(a, b)

def step_752(a, b):
    return step_751(a, b)

def step_753(a, b):
    return step_752(a, b)

def step_754(a, b):
    return step_753(a, b)

def step_755(a, b):
    return step_754(a, b)

def step_756(a, b):
    return step_755(a, b)

def step_757(a, b):
    return step_756(a, b)

def step_758(a, b):
    return step_757(a, b)

def step_759(a, b):
    return step_758(a, b)

def step_760(a, b):
    return a + b

def step_761(a, b):
    return step_760(a, b)

def step_762(a, b):
    return step_761(a, b)

def step_763(a, b):
    return step_762(a, b)

def step_764(a, b):
    return step_763(a, b)

def step_765(a, b):
    return step_764(a, b)

def step_766(a, b):
    return step_765(a, b)

def step_767(a, b):
    return step_766(a, b)

def step_768(a, b):
    return step_767(a, b)

def step_769(a, b):
    return step_768(a, b)

def step_770(a, b):
    return step_769(a, b)

def step_771(a, b):
    return step_770(a, b)

def step_772(a, b):
    return step_771(a, b)

def step_773(a, b):
    return step_772(a, b)

def step_774(a, b):
    return step_773(a, b)

def step_775(a, b):
    return step_774(a, b)

def step_776(a, b):
    return step_775(a, b)

def step_777(a, b):
    return step_776(a, b)

def step_778(a, b):
    return step_777(a, b)

def step_779(a, b):
    return step_778(a, b)

def step_780(a, b):
    return step_779(a, b)

def step_781(a, b):
    return step_780(a, b)

def step_782(a, b):
    return step_781(a, b)

def step_783(a, b):
    return step_782(a, b)

def step_784(a, b):
    return step_783(a, b)

def step_785(a, b):
    return step_784(a, b)

def step_786(a, b):
    return step_785(a, b)

def step_787(a, b):
    return step_786(a, b)

def step_788(a, b):
    return step_787(a, b)

def step_789(a, b):
    return step_788(a, b)

def step_790(a, b):
    return step_789(a, b)

def step_791(a, b):
    return step_790(a, b)

def step_792(a, b):
    return step_791(a, b)

def step_793(a, b):
    return step_792(a, b)

def step_794(a, b):
    return step_793(a, b)

def step_795(a, b):
    return step_794(a, b)

def step_796(a, b):
    return step_795(a, b)

def step_797(a, b):
    return step_796(a, b)

def step_798(a, b):
    return step_797(a, b)

def step_799(a, b):
    return step_798(a, b)

def step_800(a, b):
    return a + b

def step_801(a, b):
    return step_800(a, b)

def step_802(a, b):
    return step_801(a, b)

def step_803(a, b):
    return step_802(a, b)

def step_804(a, b):
    return step_803(a, b)

def step_805(a, b):
    return step_804(a, b)

def step_806(a, b):
    return step_805(a, b)

def step_807(a, b):
    return step_806(a, b)

def step_808(a, b):
    return step_807(a, b)

def step_809(a, b):
    return step_808(a, b)

def step_810(a, b):
    return step_809(a, b)

def step_811(a, b):
    return step_810(a, b)

def step_812(a, b):
    return step_811(a, b)

def step_813(a, b):
    return step_812(a, b)

def step_814(a, b):
    return step_813(a, b)

def step_815(a, b):
    return step_814(a, b)

def step_816(a, b):
    return step_815(a, b)

def step_817(a, b):
    return step_816(a, b)

def step_818(a, b):
    return step_817(a, b)

def step_819(a, b):
    return step_818(a, b)

def step_820(a, b):
    return step_819(a, b)

def step_821(a, b):
    return step_820(a, b)

def step_822(a, b):
    return step_821(a, b)

def step_823(a, b):
    return step_822(a, b)

def step_824(a, b):
    return step_823(a, b)

def step_825(a, b):
    return step_824(a, b)

def step_826(a, b):
    return step_825(a, b)

def step_827(a, b):
    return step_826(a, b)

def step_828(a, b):
    return step_827(a, b)

def step_829(a, b):
    return step_828(a, b)

def step_830(a, b):
    return step_829(a, b)

def step_831(a, b):
    return step_830(a, b)

def step_832(a, b):
    return step_831(a, b)

def step_833(a, b):
    return step_832(a, b)

def step_834(a, b):
    return step_833(a, b)

def step_835(a, b):
    return step_834(a, b)

def step_836(a, b):
    return step_835(a, b)

def step_837(a, b):
    return step_836(a, b)

def step_838(a, b):
    return step_837(a, b)

def step_839(a, b):
    return step_838(a, b)

def step_840(a, b):
    return a + b

def step_841(a, b):
    return step_840(a, b)

def step_842(a, b):
    return step_841(a, b)

def step_843(a, b):
    return step_842(a, b)

def step_844(a, b):
    return step_843(a, b)

def step_845(a, b):
    return step_844(a, b)

def step_846(a, b):
    return step_845(a, b)

def step_847(a, b):
    return step_846(a, b)

def step_848(a, b):
    return step_847(a, b)

def step_849(a, b):
    return step_848(a, b)

def step_850(a, b):
    return step_849(a, b)

def step_851(a, b):
    return step_850(a, b)

def step_852(a, b):
    return step_851(a, b)

def step_853(a, b):
    return step_852(a, b)

def step_854(a, b):
    return step_853(a, b)

def step_855(a, b):
    return step_854(a, b)

def step_856(a, b):
    return step_855(a, b)

def step_857(a, b):
    return step_856(a, b)

def step_858(a, b):
    return step_857(a, b)

def step_859(a, b):
    return step_858(a, b)

def step_860(a, b):
    return step_859(a, b)

def step_861(a, b):
    return step_860(a, b)

def step_862(a, b):
    return step_861(a, b)

def step_863(a, b):
    return step_862(a, b)

def step_864(a, b):
    return step_863(a, b)

def step_865(a, b):
    return step_864(a, b)

def step_866(a, b):
    return step_865(a, b)

def step_867(a, b):
    return step_866(a, b)

def step_868(a, b):
    return step_867(a, b)

def step_869(a, b):
    return step_868(a, b)

def step_870(a, b):
    return step_869(a, b)

def step_871(a, b):
    return step_870(a, b)

def step_872(a, b):
    return step_871(a, b)

def step_873(a, b):
    return step_872(a, b)

def step_874(a, b):
    return step_873(a, b)

def step_875(a, b):
    return step_874(a, b)

def step_876(a, b):
    return step_875(a, b)

def step_877(a, b):
    return step_876(a, b)

def step_878(a, b):
    return step_877(a, b)

def step_879(a, b):
    return step_878(a, b)

def step_880(a, b):
    return a + b

def step_881(a, b):
    return step_880(a, b)

def step_882(a, b):
    return step_881(a, b)

def step_883(a, b):
    return step_882(a, b)

def step_884(a, b):
    return step_883(a, b)

def step_885(a, b):
    return step_884(a, b)

def step_886(a, b):
    return step_885(a, b)

def step_887(a, b):
    return step_886(a, b)

def step_888(a, b):
    return step_887(a, b)

def step_889(a, b):
    return step_888(a, b)

def step_890(a, b):
    return step_889(a, b)

def step_891(a, b):
    return step_890(a, b)

def step_892(a, b):
    return step_891(a, b)

def step_893(a, b):
    return step_892(a, b)

def step_894(a, b):
    return step_893(a, b)

def step_895(a, b):
    return step_894(a, b)

def step_896(a, b):
    return step_895(a, b)

def step_897(a, b):
    return step_896(a, b)

def step_898(a, b):
    return step_897(a, b)

def step_899(a, b):
    return step_898(a, b)

def step_900(a, b):
    return step_899(a, b)

def step_901(a, b):
    return step_900(a, b)

def step_902(a, b):
    return step_901(a, b)

def step_903(a, b):
    return step_902(a, b)

def step_904(a, b):
    return step_903(a, b)

def step_905(a, b):
    return step_904(a, b)

def step_906(a, b):
    return step_905(a, b)

def step_907(a, b):
    return step_906(a, b)

def step_908(a, b):
    return step_907(a, b)

def step_909(a, b):
    return step_908(a, b)

def step_910(a, b):
    return step_909(a, b)

def step_911(a, b):
    return step_910(a, b)

def step_912(a, b):
    return step_911(a, b)

def step_913(a, b):
    return step_912(a, b)

def step_914(a, b):
    return step_913(a, b)

def step_915(a, b):
    return step_914(a, b)

def step_916(a, b):
    return step_915(a, b)

def step_917(a, b):
    return step_916(a, b)

def step_918(a, b):
    return step_917(a, b)

def step_919(a, b):
    return step_918(a, b)

def step_920(a, b):
    return a + b

def step_921(a, b):
    return step_920(a, b)

def step_922(a, b):
    return step_921(a, b)

def step_923(a, b):
    return step_922(a, b)

def step_924(a, b):
    return step_923(a, b)

def step_925(a, b):
    return step_924(a, b)

def step_926(a, b):
    return step_925(a, b)

def step_927(a, b):
    return step_926(a, b)

def step_928(a, b):
    return step_927(a, b)

def step_929(a, b):
    return step_928(a, b)

def step_930(a, b):
    return step_929(a, b)

def step_931(a, b):
    return step_930(a, b)

def step_932(a, b):
    return step_931(a, b)

def step_933(a, b):
    return step_932(a, b)

def step_934(a, b):
    return step_933(a, b)

def step_935(a, b):
    return step_934(a, b)

def step_936(a, b):
    return step_935(a, b)

def step_937(a, b):
    return step_936(a, b)

def step_938(a, b):
    return step_937(a, b)

def step_939(a, b):
    return step_938(a, b)

def step_940(a, b):
    return step_939(a, b)

def step_941(a, b):
    return step_940(a, b)

def step_942(a, b):
    return step_941(a, b)

def step_943(a, b):
    return step_942(a, b)

def step_944(a, b):
    return step_943(a, b)

def step_945(a, b):
    return step_944(a, b)

def step_946(a, b):
    return step_945(a, b)

def step_947(a, b):
    return step_946(a, b)

def step_948(a, b):
    return step_947(a, b)

def step_949(a, b):
    return step_948(a, b)

def step_950(a, b):
    return step_949(a, b)

def step_951(a, b):
    return step_950(a, b)

def step_952(a, b):
    return step_951(a, b)

def step_953(a, b):
    return step_952(a, b)

def step_954(a, b):
    return step_953(a, b)

def step_955(a, b):
    return step_954(a, b)

def step_956(a, b):
    return step_955(a, b)

def step_957(a, b):
    return step_956(a, b)

def step_958(a, b):
    return step_957(a, b)

def step_959(a, b):
    return step_958(a, b)

def step_960(a, b):
    return a + b

def step_961(a, b):
    return step_960(a, b)

def step_962(a, b):
    return step_961(a, b)

def step_963(a, b):
    return step_962(a, b)

def step_964(a, b):
    return step_963(a, b)

def step_965(a, b):
    return step_964(a, b)

def step_966(a, b):
    return step_965(a, b)

def step_967(a, b):
    return step_966(a, b)

def step_968(a, b):
    return step_967(a, b)

def step_969(a, b):
    return step_968(a, b)

def step_970(a, b):
    return step_969(a, b)

def step_971(a, b):
    return step_970(a, b)

def step_972(a, b):
    return step_971(a, b)

def step_973(a, b):
    return step_972(a, b)

def step_974(a, b):
    return step_973(a, b)

def step_975(a, b):
    return step_974(a, b)

def step_976(a, b):
    return step_975(a, b)

def step_977(a, b):
    return step_976(a, b)

def step_978(a, b):
    return step_977(a, b)

def step_979(a, b):
    return step_978(a, b)

def step_980(a, b):
    return step_979(a, b)

def step_981(a, b):
    return step_980(a, b)

def step_982(a, b):
    return step_981(a, b)

def step_983(a, b):
    return step_982(a, b)

def step_984(a, b):
    return step_983(a, b)

def step_985(a, b):
    return step_984(a, b)

def step_986(a, b):
    return step_985(a, b)

def step_987(a, b):
    return step_986(a, b)

def step_988(a, b):
    return step_987(a, b)

def step_989(a, b):
    return step_988(a, b)

def step_990(a, b):
    return step_989(a, b)

def step_991(a, b):
    return step_990(a, b)

def step_992(a, b):
    return step_991(a, b)

def step_993(a, b):
    return step_992(a, b)

def step_994(a, b):
    return step_993(a, b)

def step_995(a, b):
    return step_994(a, b)

def step_996(a, b):
    return step_995(a, b)

def step_997(a, b):
    return step_996(a, b)

def step_998(a, b):
    return step_997(a, b)

def step_999(a, b):
    return step_998(a, b)

def step_1000(a, b):
    return a + b

def step_1001(a, b):
    return step_1000(a, b)

def step_1002(a, b):
    return step_1001(a, b)

def step_1003(a, b):
    return step_1002(a, b)

def step_1004(a, b):
    return step_1003(a, b)

def step_1005(a, b):
    return step_1004(a, b)

def step_1006(a, b):
    return step_1005(a, b)

def step_1007(a, b):
    return step_1006(a, b)

def step_1008(a, b):
    return step_1007(a, b)

def step_1009(a, b):
    return step_1008(a, b)

def step_1010(a, b):
    return step_1009(a, b)

def step_1011(a, b):
    return step_1010(a, b)

def step_1012(a, b):
    return step_1011(a, b)

def step_1013(a, b):
    return step_1012(a, b)

def step_1014(a, b):
    return step_1013(a, b)

def step_1015(a, b):
    return step_1014(a, b)

def step_1016(a, b):
    return step_1015(a, b)

def step_1017(a, b):
    return step_1016(a, b)

def step_1018(a, b):
    return step_1017(a, b)

def step_1019(a, b):
    return step_1018(a, b)

def step_1020(a, b):
    return step_1019(a, b)

def step_1021(a, b):
    return step_1020(a, b)

def step_1022(a, b):
    return step_1021(a, b)

def step_1023(a, b):
    return step_1022(a, b)

def step_1024(a, b):
    return step_1023(a, b)

def step_1025(a, b):
    return step_1024(a, b)

def step_1026(a, b):
    return step_1025(a, b)

def step_1027(a, b):
    return step_1026(a, b)

def step_1028(a, b):
    return step_1027(a, b)

def step_1029(a, b):
    return step_1028(a, b)

def step_1030(a, b):
    return step_1029(a, b)

def step_1031(a, b):
    return step_1030(a, b)

def step_1032(a, b):
    return step_1031(a, b)

def step_1033(a, b):
    return step_1032(a, b)

def step_1034(a, b):
    return step_1033(a, b)

def step_1035(a, b):
    return step_1034(a, b)

def step_1036(a, b):
    return step_1035(a, b)

def step_1037(a, b):
    return step_1036(a, b)

def step_1038(a, b):
    return step_1037(a, b)

def step_1039(a, b):
    return step_1038(a, b)

def step_1040(a, b):
    return a + b

def step_1041(a, b):
    return step_1040(a, b)

def step_1042(a, b):
    return step_1041(a, b)

def step_1043(a, b):
    return step_1042(a, b)

def step_1044(a, b):
    return step_1043(a, b)

def step_1045(a, b):
    return step_1044(a, b)

def step_1046(a, b):
    return step_1045(a, b)

def step_1047(a, b):
    return step_1046(a, b)

def step_1048(a, b):
    return step_1047(a, b)

def step_1049(a, b):
    return step_1048(a, b)

def step_1050(a, b):
    return step_1049(a, b)

def step_1051(a, b):
    return step_1050(a, b)

def step_1052(a, b):
    return step_1051(a, b)

def step_1053(a, b):
    return step_1052(a, b)

def step_1054(a, b):
    return step_1053(a, b)

def step_1055(a, b):
    return step_1054(a, b)

def step_1056(a, b):
    return step_1055(a, b)

def step_1057(a, b):
    return step_1056(a, b)

def step_1058(a, b):
    return step_1057(a, b)

def step_1059(a, b):
    return step_1058(a, b)

def step_1060(a, b):
    return step_1059(a, b)

def step_1061(a, b):
    return step_1060(a, b)

def step_1062(a, b):
    return step_1061(a, b)

def step_1063(a, b):
    return step_1062(a, b)

def step_1064(a, b):
    return step_1063(a, b)

def step_1065(a, b):
    return step_1064(a, b)

def step_1066(a, b):
    return step_1065(a, b)

def step_1067(a, b):
    return step_1066(a, b)

def step_1068(a, b):
    return step_1067(a, b)

def step_1069(a, b):
    return step_1068(a, b)

def step_1070(a, b):
    return step_1069(a, b)

def step_1071(a, b):
    return step_1070(a, b)

def step_1072(a, b):
    return step_1071(a, b)

def step_1073(a, b):
    return step_1072(a, b)

def step_1074(a, b):
    return step_1073(a, b)

def step_1075(a, b):
    return step_1074(a, b)

def step_1076(a, b):
    return step_1075(a, b)

def step_1077(a, b):
    return step_1076(a, b)

def step_1078(a, b):
    return step_1077(a, b)

def step_1079(a, b):
    return step_1078(a, b)

def step_1080(a, b):
    return a + b

def step_1081(a, b):
    return step_1080(a, b)

def step_1082(a, b):
    return step_1081(a, b)

def step_1083(a, b):
    return step_1082(a, b)

def step_1084(a, b):
    return step_1083(a, b)

def step_1085(a, b):
    return step_1084(a, b)

def step_1086(a, b):
    return step_1085(a, b)

def step_1087(a, b):
    return step_1086(a, b)

def step_1088(a, b):
    return step_1087(a, b)

def step_1089(a, b):
    return step_1088(a, b)

def step_1090(a, b):
    return step_1089(a, b)

def step_1091(a, b):
    return step_1090(a, b)

def step_1092(a, b):
    return step_1091(a, b)

def step_1093(a, b):
    return step_1092(a, b)

def step_1094(a, b):
    return step_1093(a, b)

def step_1095(a, b):
    return step_1094(a, b)

def step_1096(a, b):
    return step_1095(a, b)

def step_1097(a, b):
    return step_1096(a, b)

def step_1098(a, b):
    return step_1097(a, b)

def step_1099(a, b):
    return step_1098(a, b)

def step_1100(a, b):
    return step_1099(a, b)

def step_1101(a, b):
    return step_1100(a, b)

def step_1102(a, b):
    return step_1101(a, b)

def step_1103(a, b):
    return step_1102(a, b)

def step_1104(a, b):
    return step_1103(a, b)

def step_1105(a, b):
    return step_1104(a, b)

def step_1106(a, b):
    return step_1105(a, b)

def step_1107(a, b):
    return step_1106(a, b)

def step_1108(a, b):
    return step_1107(a, b)

def step_1109(a, b):
    return step_1108(a, b)

def step_1110(a, b):
    return step_1109(a, b)

def step_1111(a, b):
    return step_1110(a, b)

def step_1112(a, b):
    return step_1111(a, b)

def step_1113(a, b):
    return step_1112(a, b)

def step_1114(a, b):
    return step_1113(a, b)

def step_1115(a, b):
    return step_1114(a, b)

def step_1116(a, b):
    return step_1115(a, b)

def step_1117(a, b):
    return step_1116(a, b)

def step_1118(a, b):
    return step_1117(a, b)

def step_1119(a, b):
    return step_1118(a, b)

def step_1120(a, b):
    return a + b

def step_1121(a, b):
    return step_1120(a, b)

def step_1122(a, b):
    return step_1121(a, b)

def step_1123(a, b):
    return step_1122(a, b)

def step_1124(a, b):
    return step_1123(a, b)

def step_1125(a, b):
    return step_1124(a, b)

def step_1126(a, b):
    return step_1125(a, b)

def step_1127(a, b):
    return step_1126(a, b)

def step_1128(a, b):
    return step_1127(a, b)

def step_1129(a, b):
    return step_1128(a, b)

def step_1130(a, b):
    return step_1129(a, b)

def step_1131(a, b):
    return step_1130(a, b)

def step_1132(a, b):
    return step_1131(a, b)

def step_1133(a, b):
    return step_1132(a, b)

def step_1134(a, b):
    return step_1133(a, b)

def step_1135(a, b):
    return step_1134(a, b)

def step_1136(a, b):
    return step_1135(a, b)

def step_1137(a, b):
    return step_1136(a, b)

def step_1138(a, b):
    return step_1137(a, b)

def step_1139(a, b):
    return step_1138(a, b)

def step_1140(a, b):
    return step_1139(a, b)

def step_1141(a, b):
    return step_1140(a, b)

def step_1142(a, b):
    return step_1141(a, b)

def step_1143(a, b):
    return step_1142(a, b)

def step_1144(a, b):
    return step_1143(a, b)

def step_1145(a, b):
    return step_1144(a, b)

def step_1146(a, b):
    return step_1145(a, b)

def step_1147(a, b):
    return step_1146(a, b)

def step_1148(a, b):
    return step_1147(a, b)

def step_1149(a, b):
    return step_1148(a, b)

def step_1150(a, b):
    return step_1149(a, b)

def step_1151(a, b):
    return step_1150(a, b)

def step_1152(a, b):
    return step_1151(a, b)

def step_1153(a, b):
    return step_1152(a, b)

def step_1154(a, b):
    return step_1153(a, b)

def step_1155(a, b):
    return step_1154(a, b)

def step_1156(a, b):
    return step_1155(a, b)

def step_1157(a, b):
    return step_1156(a, b)

def step_1158(a, b):
    return step_1157(a, b)

def step_1159(a, b):
    return step_1158(a, b)

def step_1160(a, b):
    return a + b

def step_1161(a, b):
    return step_1160(a, b)

def step_1162(a, b):
    return step_1161(a, b)

def step_1163(a, b):
    return step_1162(a, b)

def step_1164(a, b):
    return step_1163(a, b)

def step_1165(a, b):
    return step_1164(a, b)

def step_1166(a, b):
    return step_1165(a, b)

def step_1167(a, b):
    return step_1166(a, b)

def step_1168(a, b):
    return step_1167(a, b)

def step_1169(a, b):
    return step_1168(a, b)

def step_1170(a, b):
    return step_1169(a, b)

def step_1171(a, b):
    return step_1170(a, b)

def step_1172(a, b):
    return step_1171(a, b)

def step_1173(a, b):
    return step_1172(a, b)

def step_1174(a, b):
    return step_1173(a, b)

def step_1175(a, b):
    return step_1174(a, b)

def step_1176(a, b):
    return step_1175(a, b)

def step_1177(a, b):
    return step_1176(a, b)

def step_1178(a, b):
    return step_1177(a, b)

def step_1179(a, b):
    return step_1178(a, b)

def step_1180(a, b):
    return step_1179(a, b)

def step_1181(a, b):
    return step_1180(a, b)

def step_1182(a, b):
    return step_1181(a, b)

def step_1183(a, b):
    return step_1182(a, b)

def step_1184(a, b):
    return step_1183(a, b)

def step_1185(a, b):
    return step_1184(a, b)

def step_1186(a, b):
    return step_1185(a, b)

def step_1187(a, b):
    return step_1186(a, b)

def step_1188(a, b):
    return step_1187(a, b)

def step_1189(a, b):
    return step_1188(a, b)

def step_1190(a, b):
    return step_1189(a, b)

def step_1191(a, b):
    return step_1190(a, b)

def step_1192(a, b):
    return step_1191(a, b)

def step_1193(a, b):
    return step_1192(a, b)

def step_1194(a, b):
    return step_1193(a, b)

def step_1195(a, b):
    return step_1194(a, b)

def step_1196(a, b):
    return step_1195(a, b)

def step_1197(a, b):
    return step_1196(a, b)

def step_1198(a, b):
    return step_1197(a, b)

def step_1199(a, b):
    return step_1198(a, b)

def step_1200(a, b):
    return a + b

def step_1201(a, b):
    return step_1200(a, b)

def step_1202(a, b):
    return step_1201(a, b)

def step_1203(a, b):
    return step_1202(a, b)

def step_1204(a, b):
    return step_1203(a, b)

def step_1205(a, b):
    return step_1204(a, b)

def step_1206(a, b):
    return step_1205(a, b)

def step_1207(a, b):
    return step_1206(a, b)

def step_1208(a, b):
    return step_1207(a, b)

def step_1209(a, b):
    return step_1208(a, b)

def step_1210(a, b):
    return step_1209(a, b)

def step_1211(a, b):
    return step_1210(a, b)

def step_1212(a, b):
    return step_1211(a, b)

def step_1213(a, b):
    return step_1212(a, b)

def step_1214(a, b):
    return step_1213(a, b)

def step_1215(a, b):
    return step_1214(a, b)

def step_1216(a, b):
    return step_1215(a, b)

def step_1217(a, b):
    return step_1216(a, b)

def step_1218(a, b):
    return step_1217(a, b)

def step_1219(a, b):
    return step_1218(a, b)

def step_1220(a, b):
    return step_1219(a, b)

def step_1221(a, b):
    return step_1220(a, b)

def step_1222(a, b):
    return step_1221(a, b)

def step_1223(a, b):
    return step_1222(a, b)

def step_1224(a, b):
    return step_1223(a, b)

def step_1225(a, b):
    return step_1224(a, b)

def step_1226(a, b):
    return step_1225(a, b)

def step_1227(a, b):
    return step_1226(a, b)

def step_1228(a, b):
    return step_1227(a, b)

def step_1229(a, b):
    return step_1228(a, b)

def step_1230(a, b):
    return step_1229(a, b)

def step_1231(a, b):
    return step_1230(a, b)

def step_1232(a, b):
    return step_1231(a, b)

def step_1233(a, b):
    return step_1232(a, b)

def step_1234(a, b):
    return step_1233(a, b)

def step_1235(a, b):
    return step_1234(a, b)

def step_1236(a, b):
    return step_1235(a, b)

def step_1237(a, b):
    return step_1236(a, b)

def step_1238(a, b):
    return step_1237(a, b)

def step_1239(a, b):
    return step_1238(a, b)

def step_1240(a, b):
    return a + b

def step_1241(a, b):
    return step_1240(a, b)

def step_1242(a, b):
    return step_1241(a, b)

def step_1243(a, b):
    return step_1242(a, b)

def step_1244(a, b):
    return step_1243(a, b)

def step_1245(a, b):
    return step_1244(a, b)

def step_1246(a, b):
    return step_1245(a, b)

def step_1247(a, b):
    return step_1246(a, b)

def step_1248(a, b):
    return step_1247(a, b)

def step_1249(a, b):
    return step_1248(a, b)

def step_1250(a, b):
    return step_1249(a, b)

def step_1251(a, b):
    return step_1250(a, b)

def step_1252(a, b):
    return step_1251(a, b)

def step_1253(a, b):
    return step_1252(a, b)

def step_1254(a, b):
    return step_1253(a, b)

def step_1255(a, b):
    return step_1254(a, b)

def step_1256(a, b):
    return step_1255(a, b)

def step_1257(a, b):
    return step_1256(a, b)

def step_1258(a, b):
    return step_1257(a, b)

def step_1259(a, b):
    return step_1258(a, b)

def step_1260(a, b):
    return step_1259(a, b)

def step_1261(a, b):
    return step_1260(a, b)

def step_1262(a, b):
    return step_1261(a, b)

def step_1263(a, b):
    return step_1262(a, b)

def step_1264(a, b):
    return step_1263(a, b)

def step_1265(a, b):
    return step_1264(a, b)

def step_1266(a, b):
    return step_1265(a, b)

def step_1267(a, b):
    return step_1266(a, b)

def step_1268(a, b):
    return step_1267(a, b)

def step_1269(a, b):
    return step_1268(a, b)

def step_1270(a, b):
    return step_1269(a, b)

def step_1271(a, b):
    return step_1270(a, b)

def step_1272(a, b):
    return step_1271(a, b)

def step_1273(a, b):
    return step_1272(a, b)

def step_1274(a, b):
    return step_1273(a, b)

def step_1275(a, b):
    return step_1274(a, b)

def step_1276(a, b):
    return step_1275(a, b)

def step_1277(a, b):
    return step_1276(a, b)

def step_1278(a, b):
    return step_1277(a, b)

def step_1279(a, b):
    return step_1278(a, b)

def step_1280(a, b):
    return a + b

def step_1281(a, b):
    return step_1280(a, b)

def step_1282(a, b):
    return step_1281(a, b)

def step_1283(a, b):
    return step_1282(a, b)

def step_1284(a, b):
    return step_1283(a, b)

def step_1285(a, b):
    return step_1284(a, b)

def step_1286(a, b):
    return step_1285(a, b)

def step_1287(a, b):
    return step_1286(a, b)

def step_1288(a, b):
    return step_1287(a, b)

def step_1289(a, b):
    return step_1288(a, b)

def step_1290(a, b):
    return step_1289(a, b)

def step_1291(a, b):
    return step_1290(a, b)

def step_1292(a, b):
    return step_1291(a, b)

def step_1293(a, b):
    return step_1292(a, b)

def step_1294(a, b):
    return step_1293(a, b)

def step_1295(a, b):
    return step_1294(a, b)

def step_1296(a, b):
    return step_1295(a, b)

def step_1297(a, b):
    return step_1296(a, b)

def step_1298(a, b):
    return step_1297(a, b)

def step_1299(a, b):
    return step_1298(a, b)

def step_1300(a, b):
    return step_1299(a, b)

def step_1301(a, b):
    return step_1300(a, b)

def step_1302(a, b):
    return step_1301(a, b)

def step_1303(a, b):
    return step_1302(a, b)

def step_1304(a, b):
    return step_1303(a, b)

def step_1305(a, b):
    return step_1304(a, b)

def step_1306(a, b):
    return step_1305(a, b)

def step_1307(a, b):
    return step_1306(a, b)

def step_1308(a, b):
    return step_1307(a, b)

def step_1309(a, b):
    return step_1308(a, b)

def step_1310(a, b):
    return step_1309(a, b)

def step_1311(a, b):
    return step_1310(a, b)

def step_1312(a, b):
    return step_1311(a, b)

def step_1313(a, b):
    return step_1312(a, b)

def step_1314(a, b):
    return step_1313(a, b)

def step_1315(a, b):
    return step_1314(a, b)

def step_1316(a, b):
    return step_1315(a, b)

def step_1317(a, b):
    return step_1316(a, b)

def step_1318(a, b):
    return step_1317(a, b)

def step_1319(a, b):
    return step_1318(a, b)

def step_1320(a, b):
    return a + b

def step_1321(a, b):
    return step_1320(a, b)

def step_1322(a, b):
    return step_1321(a, b)

def step_1323(a, b):
    return step_1322(a, b)

def step_1324(a, b):
    return step_1323(a, b)

def step_1325(a, b):
    return step_1324(a, b)

def step_1326(a, b):
    return step_1325(a, b)

def step_1327(a, b):
    return step_1326(a, b)

def step_1328(a, b):
    return step_1327(a, b)

def step_1329(a, b):
    return step_1328(a, b)

def step_1330(a, b):
    return step_1329(a, b)

def step_1331(a, b):
    return step_1330(a, b)

def step_1332(a, b):
    return step_1331(a, b)

def step_1333(a, b):
    return step_1332(a, b)

def step_1334(a, b):
    return step_1333(a, b)

def step_1335(a, b):
    return step_1334(a, b)

def step_1336(a, b):
    return step_1335(a, b)

def step_1337(a, b):
    return step_1336(a, b)

def step_1338(a, b):
    return step_1337(a, b)

def step_1339(a, b):
    return step_1338(a, b)

def step_1340(a, b):
    return step_1339(a, b)

def step_1341(a, b):
    return step_1340(a, b)

def step_1342(a, b):
    return step_1341(a, b)

def step_1343(a, b):
    return step_1342(a, b)

def step_1344(a, b):
    return step_1343(a, b)

def step_1345(a, b):
    return step_1344(a, b)

def step_1346(a, b):
    return step_1345(a, b)

def step_1347(a, b):
    return step_1346(a, b)

def step_1348(a, b):
    return step_1347(a, b)

def step_1349(a, b):
    return step_1348(a, b)

def step_1350(a, b):
    return step_1349(a, b)

def step_1351(a, b):
    return step_1350(a, b)

def step_1352(a, b):
    return step_1351(a, b)

def step_1353(a, b):
    return step_1352(a, b)

def step_1354(a, b):
    return step_1353(a, b)

def step_1355(a, b):
    return step_1354(a, b)

def step_1356(a, b):
    return step_1355(a, b)

def step_1357(a, b):
    return step_1356(a, b)

def step_1358(a, b):
    return step_1357(a, b)

def step_1359(a, b):
    return step_1358(a, b)

def step_1360(a, b):
    return a + b

def step_1361(a, b):
    return step_1360(a, b)

def step_1362(a, b):
    return step_1361(a, b)

def step_1363(a, b):
    return step_1362(a, b)

def step_1364(a, b):
    return step_1363(a, b)

def step_1365(a, b):
    return step_1364(a, b)

def step_1366(a, b):
    return step_1365(a, b)

def step_1367(a, b):
    return step_1366(a, b)

def step_1368(a, b):
    return step_1367(a, b)

def step_1369(a, b):
    return step_1368(a, b)

def step_1370(a, b):
    return step_1369(a, b)

def step_1371(a, b):
    return step_1370(a, b)

def step_1372(a, b):
    return step_1371(a, b)

def step_1373(a, b):
    return step_1372(a, b)

def step_1374(a, b):
    return step_1373(a, b)

def step_1375(a, b):
    return step_1374(a, b)

def step_1376(a, b):
    return step_1375(a, b)

def step_1377(a, b):
    return step_1376(a, b)

def step_1378(a, b):
    return step_1377(a, b)

def step_1379(a, b):
    return step_1378(a, b)

def step_1380(a, b):
    return step_1379(a, b)

def step_1381(a, b):
    return step_1380(a, b)

def step_1382(a, b):
    return step_1381(a, b)

def step_1383(a, b):
    return step_1382(a, b)

def step_1384(a, b):
    return step_1383(a, b)

def step_1385(a, b):
    return step_1384(a, b)

def step_1386(a, b):
    return step_1385(a, b)

def step_1387(a, b):
    return step_1386(a, b)

def step_1388(a, b):
    return step_1387(a, b)

def step_1389(a, b):
    return step_1388(a, b)

def step_1390(a, b):
    return step_1389(a, b)

def step_1391(a, b):
    return step_1390(a, b)

def step_1392(a, b):
    return step_1391(a, b)

def step_1393(a, b):
    return step_1392(a, b)

def step_1394(a, b):
    return step_1393(a, b)

def step_1395(a, b):
    return step_1394(a, b)

def step_1396(a, b):
    return step_1395(a, b)

def step_1397(a, b):
    return step_1396(a, b)

def step_1398(a, b):
    return step_1397(a, b)

def step_1399(a, b):
    return step_1398(a, b)

def step_1400(a, b):
    return a + b

def step_1401(a, b):
    return step_1400(a, b)

def step_1402(a, b):
    return step_1401(a, b)

def step_1403(a, b):
    return step_1402(a, b)

def step_1404(a, b):
    return step_1403(a, b)

def step_1405(a, b):
    return step_1404(a, b)

def step_1406(a, b):
    return step_1405(a, b)

def step_1407(a, b):
    return step_1406(a, b)

def step_1408(a, b):
    return step_1407(a, b)

def step_1409(a, b):
    return step_1408(a, b)

def step_1410(a, b):
    return step_1409(a, b)

def step_1411(a, b):
    return step_1410(a, b)

def step_1412(a, b):
    return step_1411(a, b)

def step_1413(a, b):
    return step_1412(a, b)

def step_1414(a, b):
    return step_1413(a, b)

def step_1415(a, b):
    return step_1414(a, b)

def step_1416(a, b):
    return step_1415(a, b)

def step_1417(a, b):
    return step_1416(a, b)

def step_1418(a, b):
    return step_1417(a, b)

def step_1419(a, b):
    return step_1418(a, b)

def step_1420(a, b):
    return step_1419(a, b)

def step_1421(a, b):
    return step_1420(a, b)

def step_1422(a, b):
    return step_1421(a, b)

def step_1423(a, b):
    return step_1422(a, b)

def step_1424(a, b):
    return step_1423(a, b)

def step_1425(a, b):
    return step_1424(a, b)

def step_1426(a, b):
    return step_1425(a, b)

def step_1427(a, b):
    return step_1426(a, b)

def step_1428(a, b):
    return step_1427(a, b)

def step_1429(a, b):
    return step_1428(a, b)

def step_1430(a, b):
    return step_1429(a, b)

def step_1431(a, b):
    return step_1430(a, b)

def step_1432(a, b):
    return step_1431(a, b)

def step_1433(a, b):
    return step_1432(a, b)

def step_1434(a, b):
    return step_1433(a, b)

def step_1435(a, b):
    return step_1434(a, b)

def step_1436(a, b):
    return step_1435(a, b)

def step_1437(a, b):
    return step_1436(a, b)

def step_1438(a, b):
    return step_1437(a, b)

def step_1439(a, b):
    return step_1438(a, b)

def step_1440(a, b):
    return a + b

def step_1441(a, b):
    return step_1440(a, b)

def step_1442(a, b):
    return step_1441(a, b)

def step_1443(a, b):
    return step_1442(a, b)

def step_1444(a, b):
    return step_1443(a, b)

def step_1445(a, b):
    return step_1444(a, b)

def step_1446(a, b):
    return step_1445(a, b)

def step_1447(a, b):
    return step_1446(a, b)

def step_1448(a, b):
    return step_1447(a, b)

def step_1449(a, b):
    return step_1448(a, b)

def step_1450(a, b):
    return step_1449(a, b)

def step_1451(a, b):
    return step_1450(a, b)

def step_1452(a, b):
    return step_1451(a, b)

def step_1453(a, b):
    return step_1452(a, b)

def step_1454(a, b):
    return step_1453(a, b)

def step_1455(a, b):
    return step_1454(a, b)

def step_1456(a, b):
    return step_1455(a, b)

def step_1457(a, b):
    return step_1456(a, b)

def step_1458(a, b):
    return step_1457(a, b)

def step_1459(a, b):
    return step_1458(a, b)

def step_1460(a, b):
    return step_1459(a, b)

def step_1461(a, b):
    return step_1460(a, b)

def step_1462(a, b):
    return step_1461(a, b)

def step_1463(a, b):
    return step_1462(a, b)

def step_1464(a, b):
    return step_1463(a, b)

def step_1465(a, b):
    return step_1464(a, b)

def step_1466(a, b):
    return step_1465(a, b)

def step_1467(a, b):
    return step_1466(a, b)

def step_1468(a, b):
    return step_1467(a, b)

def step_1469(a, b):
    return step_1468(a, b)

def step_1470(a, b):
    return step_1469(a, b)

def step_1471(a, b):
    return step_1470(a, b)

def step_1472(a, b):
    return step_1471(a, b)

def step_1473(a, b):
    return step_1472(a, b)

def step_1474(a, b):
    return step_1473(a, b)

def step_1475(a, b):
    return step_1474(a, b)

def step_1476(a, b):
    return step_1475(a, b)

def step_1477(a, b):
    return step_1476(a, b)

def step_1478(a, b):
    return step_1477(a, b)

def step_1479(a, b):
    return step_1478(a, b)

def step_1480(a, b):
    return a + b

def step_1481(a, b):
    return step_1480(a, b)

def step_1482(a, b):
    return step_1481(a, b)

def step_1483(a, b):
    return step_1482(a, b)

def step_1484(a, b):
    return step_1483(a, b)

def step_1485(a, b):
    return step_1484(a, b)

def step_1486(a, b):
    return step_1485(a, b)

def step_1487(a, b):
    return step_1486(a, b)

def step_1488(a, b):
    return step_1487(a, b)

def step_1489(a, b):
    return step_1488(a, b)

def step_1490(a, b):
    return step_1489(a, b)

def step_1491(a, b):
    return step_1490(a, b)

def step_1492(a, b):
    return step_1491(a, b)

def step_1493(a, b):
    return step_1492(a, b)

def step_1494(a, b):
    return step_1493(a, b)

def step_1495(a, b):
    return step_1494(a, b)

def step_1496(a, b):
    return step_1495(a, b)

def step_1497(a, b):
    return step_1496(a, b)

def step_1498(a, b):
    return step_1497(a, b)

def step_1499(a, b):
    return step_1498(a, b)

def step_1500(a, b):
    return step_1499(a, b)

def step_1501(a, b):
    return step_1500(a, b)

def step_1502(a, b):
    return step_1501(a, b)

def step_1503(a, b):
    return step_1502(a, b)

def step_1504(a, b):
    return step_1503(a, b)

def step_1505(a, b):
    return step_1504(a, b)

def step_1506(a, b):
    return step_1505(a, b)

def step_1507(a, b):
    return step_1506(a, b)

def step_1508(a, b):
    return step_1507(a, b)

def step_1509(a, b):
    return step_1508(a, b)

def step_1510(a, b):
    return step_1509(a, b)

def step_1511(a, b):
    return step_1510(a, b)

def step_1512(a, b):
    return step_1511(a, b)

def step_1513(a, b):
    return step_1512(a, b)

def step_1514(a, b):
    return step_1513(a, b)

def step_1515(a, b):
    return step_1514(a, b)

def step_1516(a, b):
    return step_1515(a, b)

def step_1517(a, b):
    return step_1516(a, b)

def step_1518(a, b):
    return step_1517(a, b)

def step_1519(a, b):
    return step_1518(a, b)

def step_1520(a, b):
    return a + b

def step_1521(a, b):
    return step_1520(a, b)

def step_1522(a, b):
    return step_1521(a, b)

def step_1523(a, b):
    return step_1522(a, b)

def step_1524(a, b):
    return step_1523(a, b)

def step_1525(a, b):
    return step_1524(a, b)

def step_1526(a, b):
    return step_1525(a, b)

def step_1527(a, b):
    return step_1526(a, b)

def step_1528(a, b):
    return step_1527(a, b)

def step_1529(a, b):
    return step_1528(a, b)

def step_1530(a, b):
    return step_1529(a, b)

def step_1531(a, b):
    return step_1530(a, b)

def step_1532(a, b):
    return step_1531(a, b)

def step_1533(a, b):
    return step_1532(a, b)

def step_1534(a, b):
    return step_1533(a, b)

def step_1535(a, b):
    return step_1534(a, b)

def step_1536(a, b):
    return step_1535(a, b)

def step_1537(a, b):
    return step_1536(a, b)

def step_1538(a, b):
    return step_1537(a, b)

def step_1539(a, b):
    return step_1538(a, b)

def step_1540(a, b):
    return step_1539(a, b)

def step_1541(a, b):
    return step_1540(a, b)

def step_1542(a, b):
    return step_1541(a, b)

def step_1543(a, b):
    return step_1542(a, b)

def step_1544(a, b):
    return step_1543(a, b)

def step_1545(a, b):
    return step_1544(a, b)

def step_1546(a, b):
    return step_1545(a, b)

def step_1547(a, b):
    return step_1546(a, b)

def step_1548(a, b):
    return step_1547(a, b)

def step_1549(a, b):
    return step_1548(a, b)

def step_1550(a, b):
    return step_1549(a, b)

def step_1551(a, b):
    return step_1550(a, b)

def step_1552(a, b):
    return step_1551(a, b)

def step_1553(a, b):
    return step_1552(a, b)

def step_1554(a, b):
    return step_1553(a, b)

def step_1555(a, b):
    return step_1554(a, b)

def step_1556(a, b):
    return step_1555(a, b)

def step_1557(a, b):
    return step_1556(a, b)

def step_1558(a, b):
    return step_1557(a, b)

def step_1559(a, b):
    return step_1558(a, b)

def step_1560(a, b):
    return a + b

def step_1561(a, b):
    return step_1560(a, b)

def step_1562(a, b):
    return step_1561(a, b)

def step_1563(a, b):
    return step_1562(a, b)

def step_1564(a, b):
    return step_1563(a, b)

def step_1565(a, b):
    return step_1564(a, b)

def step_1566(a, b):
    return step_1565(a, b)

def step_1567(a, b):
    return step_1566(a, b)

def step_1568(a, b):
    return step_1567(a, b)

def step_1569(a, b):
    return step_1568(a, b)

def step_1570(a, b):
    return step_1569(a, b)

def step_1571(a, b):
    return step_1570(a, b)

def step_1572(a, b):
    return step_1571(a, b)

def step_1573(a, b):
    return step_1572(a, b)

def step_1574(a, b):
    return step_1573(a, b)

def step_1575(a, b):
    return step_1574(a, b)

def step_1576(a, b):
    return step_1575(a, b)

def step_1577(a, b):
    return step_1576(a, b)

def step_1578(a, b):
    return step_1577(a, b)

def step_1579(a, b):
    return step_1578(a, b)

def step_1580(a, b):
    return step_1579(a, b)

def step_1581(a, b):
    return step_1580(a, b)

def step_1582(a, b):
    return step_1581(a, b)

def step_1583(a, b):
    return step_1582(a, b)

def step_1584(a, b):
    return step_1583(a, b)

def step_1585(a, b):
    return step_1584(a, b)

def step_1586(a, b):
    return step_1585(a, b)

def step_1587(a, b):
    return step_1586(a, b)

def step_1588(a, b):
    return step_1587(a, b)

def step_1589(a, b):
    return step_1588(a, b)

def step_1590(a, b):
    return step_1589(a, b)

def step_1591(a, b):
    return step_1590(a, b)

def step_1592(a, b):
    return step_1591(a, b)

def step_1593(a, b):
    return step_1592(a, b)

def step_1594(a, b):
    return step_1593(a, b)

def step_1595(a, b):
    return step_1594(a, b)

def step_1596(a, b):
    return step_1595(a, b)

def step_1597(a, b):
    return step_1596(a, b)

def step_1598(a, b):
    return step_1597(a, b)

def step_1599(a, b):
    return step_1598(a, b)

def add(a, b):
    return step_1599(a, b)
